//! What was applied last, so that an object that still is as it was then is not applied again: a server-side apply that
//! changes nothing costs the API server as much as one that does, but for etcd.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use restward_crds::names;
use serde::{Serialize, de::DeserializeOwned};

use crate::keys::sha256_hex;

/// By the policy's UID and the object's kind.
#[derive(Debug, Default)]
pub struct Applied(Mutex<HashMap<(String, String), Mark>>);

/// What tells that an object is as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Hash of what was applied.
    hash: String,
    /// Which object that was then, in which version: whoever changes it afterwards gives it another.
    uid: Option<String>,
    version: Option<String>,
}

impl Applied {
    /// Writes an object of a policy by server-side apply, unless it is there as it was applied last.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn apply<K>(&self, api: &Api<K>, policy_uid: &str, object: &K) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
    {
        let name = object.name_any();
        let hash = sha256_hex(&serde_json::to_vec(object).map_err(kube::Error::SerdeError)?);
        let mark = |found: &dyn Fn() -> (Option<String>, Option<String>)| {
            let (uid, version) = found();
            Mark { hash: hash.clone(), uid, version }
        };
        let key = (policy_uid.to_owned(), K::kind(&()).into_owned());
        let known = self.marks().get(&key).cloned();
        if let Some(known) = known.filter(|known| known.hash == hash)
            && let Some(found) = api.get_metadata_opt(&name).await?
            && known == mark(&|| (found.uid(), found.resource_version()))
        {
            return Ok(());
        }
        let manager = PatchParams::apply(names::FIELD_MANAGER).force();
        let written = api.patch(&name, &manager, &Patch::Apply(object)).await?;
        self.marks().insert(key, mark(&|| (written.uid(), written.resource_version())));
        Ok(())
    }

    /// The policy is gone.
    pub fn forget(&self, policy_uid: &str) {
        self.marks().retain(|(uid, _), _| uid != policy_uid);
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<(String, String), Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
