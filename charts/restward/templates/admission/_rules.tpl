{{/*
What the admission policies refuse, each rule as the variables of its policy: `violates` is the last of them and needs no more
than object, oldObject and request. So the webhook that tells of the uses of `breakGlass.groups` decides by the very same
words (`restward.inlined`).
*/}}

{{/* A container is added to a pod. */}}
{{- define "restward.rule.ephemeral-containers" -}}
- name: violates
  expression: object.spec.?ephemeralContainers != oldObject.spec.?ephemeralContainers
{{- end -}}

{{/* What injection put into a pod is changed. */}}
{{- define "restward.rule.injected-pods" -}}
- name: changesMarks
  expression: >-
    object.metadata.?labels[?'restward.io/injected'] != oldObject.metadata.?labels[?'restward.io/injected']
    || object.metadata.?annotations[?'restward.io/injected-hash'] != oldObject.metadata.?annotations[?'restward.io/injected-hash']
    || object.metadata.?annotations[?'restward.io/policy'] != oldObject.metadata.?annotations[?'restward.io/policy']
- name: changesSidecar
  expression: >-
    object.spec.?initContainers.orValue([]).filter(container, container.name == 'restward-proxy')
    != oldObject.spec.?initContainers.orValue([]).filter(container, container.name == 'restward-proxy')
- name: violates
  expression: variables.changesMarks || variables.changesSidecar
{{- end -}}

{{/* Another container than the sidecar gets at the Secret restward-keys. */}}
{{- define "restward.rule.keys" -}}
- name: volumes
  expression: >-
    object.spec.?volumes.orValue([]).filter(volume,
      volume.?secret.?secretName.orValue('') == 'restward-keys'
      || volume.?csi.?nodePublishSecretRef.?name.orValue('') == 'restward-keys'
      || volume.?flexVolume.?secretRef.?name.orValue('') == 'restward-keys'
      || volume.?azureFile.?secretName.orValue('') == 'restward-keys'
      || volume.?projected.?sources.orValue([]).exists(source, source.?secret.?name.orValue('') == 'restward-keys'))
- name: volumeNames
  expression: variables.volumes.map(volume, volume.name)
- name: itemPrefix
  expression: object.metadata.?labels[?'restward.io/injected'].orValue('none') + '.'
# As injection makes it, with the items of the pod's own policy.
- name: volumesAreTheSidecars
  expression: >-
    variables.volumes.all(volume,
      volume.name == 'restward-config' && has(volume.projected)
      && volume.projected.sources.all(source, source.?secret.?name.orValue('') != 'restward-keys'
        || (source.secret.?items.orValue([]).size() > 0
          && source.secret.items.all(item, item.key.startsWith(variables.itemPrefix)))))
- name: containers
  expression: >-
    object.spec.containers + object.spec.?initContainers.orValue([])
- name: mountedElsewhere
  expression: >-
    variables.volumeNames.exists(name,
      object.spec.containers.exists(container, container.?volumeMounts.orValue([]).exists(mount, mount.name == name))
      || object.spec.?initContainers.orValue([]).exists(container, container.name != 'restward-proxy'
        && container.?volumeMounts.orValue([]).exists(mount, mount.name == name))
      || object.spec.?ephemeralContainers.orValue([]).exists(container,
        container.?volumeMounts.orValue([]).exists(mount, mount.name == name)))
- name: inVariables
  expression: >-
    variables.containers.exists(container,
      container.?env.orValue([]).exists(variable, variable.?valueFrom.?secretKeyRef.?name.orValue('') == 'restward-keys')
      || container.?envFrom.orValue([]).exists(source, source.?secretRef.?name.orValue('') == 'restward-keys'))
    || object.spec.?ephemeralContainers.orValue([]).exists(container,
      container.?env.orValue([]).exists(variable, variable.?valueFrom.?secretKeyRef.?name.orValue('') == 'restward-keys')
      || container.?envFrom.orValue([]).exists(source, source.?secretRef.?name.orValue('') == 'restward-keys'))
# Who is among the sidecar's processes reads its files by /proc/1/root, as its user or with SYS_PTRACE (measured).
- name: besideTheSidecar
  expression: >-
    object.spec.?ephemeralContainers.orValue([]).exists(container,
      container.?targetContainerName.orValue('') == 'restward-proxy')
- name: violates
  expression: >-
    !variables.volumesAreTheSidecars || variables.mountedElsewhere || variables.inVariables || variables.besideTheSidecar
{{- end -}}

{{/* Somebody makes, changes or deletes what is the operator's. */}}
{{- define "restward.rule.managed-objects" -}}
- name: violates
  expression: >-
    request.operation != 'UPDATE'
    || object.?data != oldObject.?data
    || object.?binaryData != oldObject.?binaryData
    || object.?immutable != oldObject.?immutable
    || object.metadata.?labels != oldObject.metadata.?labels
    || object.?status != oldObject.?status
{{- end -}}

{{/*
`violates` of a rule as one expression, each variable in its place: conditions of webhooks have no variables. From the last
variable to the first, as each uses earlier ones only.
*/}}
{{- define "restward.inlined" -}}
{{- $expression := "variables.violates" -}}
{{- range reverse (fromYamlArray .) -}}
{{- $expression = regexReplaceAllLiteral (printf "variables[.]%s\\b" .name) $expression (printf "(%s)" .expression) -}}
{{- end -}}
{{- $expression -}}
{{- end -}}

{{/* Who empties a namespace that is deleted. */}}
{{- define "restward.celEmptiesNamespace" -}}
(request.operation == 'DELETE' && request.userInfo.username in
  ['system:serviceaccount:kube-system:namespace-controller', 'system:kube-controller-manager'])
{{- end -}}

{{/* The rule managed-objects with what its bindings match: by label before and after, by name, and the status of policies. */}}
{{- define "restward.managedObject" -}}
!{{ include "restward.celEmptiesNamespace" . }}
&& (request.resource.resource == 'restapiauthpolicies'
  || (request.resource.resource == 'secrets' && request.?name.orValue('') == 'restward-keys')
  || [object, oldObject].exists(version, version != null && version.metadata.?labels[?'restward.io/managed'].orValue('') == 'true'))
&& ({{ include "restward.inlined" (include "restward.rule.managed-objects" .) }})
{{- end -}}

{{/*
A webhook of the operator that is told of uses of `breakGlass.groups`: dict "root" $ "name" rule "condition" what is one. A single
condition, as each of several is evaluated for everybody, and this one ends with the first word about other users.
*/}}
{{- define "restward.witness" -}}
{{- $condition := printf "request.userInfo.username != %s && %s && (%s)" (include "restward.celOperator" .root) (include "restward.celBreaksGlass" .root) .condition -}}
- name: {{ .name }}.break-glass.restward.io
  clientConfig:
    service:
      name: {{ include "restward.name" .root }}
      namespace: {{ .root.Release.Namespace }}
  admissionReviewVersions: [v1]
  # Nobody waits long for what only tells, and nothing depends on it.
  failurePolicy: Ignore
  timeoutSeconds: 2
  matchPolicy: Equivalent
  # An Event, a metric and a line in the policy's status, and none of a dry run.
  sideEffects: NoneOnDryRun
  matchConditions:
    - name: breaks-glass
      expression: >-
        {{ regexReplaceAll "\\s+" $condition " " }}
{{- end -}}
