{{/* Name of everything in the operator's namespace: the release's. */}}
{{- define "restward.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of what is cluster-wide: two releases in two namespaces must not share it. */}}
{{- define "restward.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "restward.name" .) -}}
{{- end -}}

{{- define "restward.selectorLabels" -}}
app.kubernetes.io/name: restward
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "restward.labels" -}}
{{ include "restward.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Full name of an image: dict "root" $ "image" .Values.x.image */}}
{{- define "restward.image" -}}
{{- $registry := .root.Values.image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $registry) .image.repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Passes Pod Security "restricted". */}}
{{- define "restward.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "restward.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The user that the operator is to the API server, as a string of CEL. */}}
{{- define "restward.celOperator" -}}
{{- printf "'system:serviceaccount:%s:%s'" .Release.Namespace (include "restward.name" .) -}}
{{- end -}}

{{/* Whether the user may do what is refused to everybody else: an expression of CEL. Each use is in the audit log. */}}
{{- define "restward.celBreaksGlass" -}}
{{- printf "request.userInfo.?groups.orValue([]).exists(group, group in %s)" (toJson .Values.breakGlass.groups) -}}
{{- end -}}
