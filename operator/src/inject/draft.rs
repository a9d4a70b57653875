//! The working copy of a pod. Each change is applied to it and recorded as a JSON Patch operation, so that later steps
//! see what earlier ones did, and the patch is what was done. A change that changes nothing is not recorded.

use json_patch::{AddOperation, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use super::{
    refusal::{Refusal, RefusalReason},
    view,
};

/// The working copy and what was done to it.
pub(super) struct Draft {
    pod: Value,
    operations: Vec<PatchOperation>,
}

impl Draft {
    /// Starts from the pod as it came.
    pub(super) fn new(pod: &Value) -> Self {
        Self { pod: pod.clone(), operations: Vec::new() }
    }

    /// The pod with all changes so far.
    pub(super) const fn pod(&self) -> &Value {
        &self.pod
    }

    /// What was done.
    pub(super) fn into_operations(self) -> Vec<PatchOperation> {
        self.operations
    }

    /// Sets a member of the object at `parent`; makes that object when it is missing.
    pub(super) fn set(&mut self, parent: &str, key: &str, value: Value) -> Result<(), Refusal> {
        let object = self.pod.pointer(parent);
        if object.and_then(|object| object.get(key)) == Some(&value) {
            return Ok(());
        }
        if object.is_none_or(Value::is_null) {
            self.add(parent, json!({}))?;
        }
        self.add(&format!("{parent}/{}", escape(key)), value)
    }

    /// Removes a member or an element, which must be there.
    pub(super) fn remove(&mut self, pointer: &str) -> Result<(), Refusal> {
        let path = path(pointer)?;
        self.apply(PatchOperation::Remove(RemoveOperation { path }))
    }

    /// Puts an element into the list at `list` before `index`; makes the list when it is missing.
    pub(super) fn insert(&mut self, list: &str, index: usize, value: Value) -> Result<(), Refusal> {
        match self.pod.pointer(list) {
            Some(Value::Array(_)) => {}
            None | Some(Value::Null) => self.add(list, json!([]))?,
            Some(_) => return Err(malformed(list)),
        }
        self.add(&format!("{list}/{index}"), value)
    }

    /// Makes `value` the element of its name in the list at `list`: replaces the one there, else appends it.
    pub(super) fn set_named(&mut self, list: &str, value: Value) -> Result<(), Refusal> {
        let elements = view::list(&self.pod, list);
        match elements.iter().position(|element| view::name(element) == view::name(&value)) {
            Some(index) if elements.get(index) == Some(&value) => Ok(()),
            Some(index) => {
                self.remove(&format!("{list}/{index}"))?;
                self.insert(list, index, value)
            }
            None => self.insert(list, elements.len(), value),
        }
    }

    fn add(&mut self, pointer: &str, value: Value) -> Result<(), Refusal> {
        let path = path(pointer)?;
        self.apply(PatchOperation::Add(AddOperation { path, value }))
    }

    fn apply(&mut self, operation: PatchOperation) -> Result<(), Refusal> {
        json_patch::patch(&mut self.pod, std::slice::from_ref(&operation))
            .map_err(|error| malformed(&error.path.to_string()))?;
        self.operations.push(operation);
        Ok(())
    }
}

/// A key as a token of a JSON pointer (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn path(pointer: &str) -> Result<PointerBuf, Refusal> {
    PointerBuf::parse(pointer.to_owned()).map_err(|_| malformed(pointer))
}

fn malformed(place: &str) -> Refusal {
    Refusal::new(RefusalReason::Malformed, format!("the pod is malformed at {place}"))
}
