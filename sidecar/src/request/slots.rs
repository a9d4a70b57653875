//! How many requests there may be at once. Some of the room is for open paths alone: status, login and static files must
//! not wait for calls of the API, whose bodies and tokens anybody may have the sidecar wait for. And only so many may keep
//! the sidecar waiting for a body before anybody has said that their credential is good.

use std::sync::Arc;

use restward_crds::reason::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One of so many is for open paths alone.
const OPEN_SHARE: usize = 4;
/// One of so many may be a stranger whose body is still arriving: fewer than there are for open paths, and more than Tomcat has
/// threads to wait for them (48 in the image).
const BODY_SHARE: usize = 8;

/// The room for requests in flight.
pub struct Slots {
    all: Arc<Semaphore>,
    open: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

impl Slots {
    /// For so many at once.
    pub fn new(in_flight: usize) -> Self {
        let open = in_flight / OPEN_SHARE;
        Self {
            all: Arc::new(Semaphore::new(in_flight - open)),
            open: Arc::new(Semaphore::new(open)),
            bodies: Arc::new(Semaphore::new((in_flight / BODY_SHARE).max(1))),
        }
    }

    /// Room for one, until it is dropped.
    pub(super) fn take(&self, is_open: impl FnOnce() -> bool) -> Result<OwnedSemaphorePermit, Reason> {
        let room = Arc::clone(&self.all).try_acquire_owned();
        let room = room
            .or_else(|full| if is_open() { Arc::clone(&self.open).try_acquire_owned() } else { Err(full) });
        room.map_err(|_| Reason::Overloaded)
    }

    /// Room for the body of a stranger, until it is dropped.
    pub(super) fn take_for_body(&self) -> Result<OwnedSemaphorePermit, Reason> {
        Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| Reason::Overloaded)
    }
}
