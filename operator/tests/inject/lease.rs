//! A leader and its fence on a real API server.

use std::time::Duration;

use k8s_openapi::api::{coordination::v1::Lease, core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use restward_operator::{
    args::{Cli, Command, RunArgs},
    lease::{
        self, Leadership,
        fence::{Closed, Fence},
    },
};
use serde_json::json;

use crate::cluster::{Room, config};

const LEASE: &str = "restward-operator";
const PATIENCE: Duration = Duration::from_mins(1);

fn replica(room: &Room, pod: &str) -> RunArgs {
    let (namespace, pod) = (format!("--namespace={}", room.name), format!("--pod-name={pod}"));
    let arguments = ["restward-operator", "run", &namespace, &pod, "--sidecar-image=localhost/none:1"];
    let cli = <Cli as clap::Parser>::try_parse_from(arguments).unwrap();
    let Command::Run(run) = cli.command else { unreachable!() };
    *run
}

/// Whether a write of this client passes; any other failure than the fence's is one of the test.
async fn writes(client: &Client, room: &Room) -> bool {
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "written"}})).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &room.name);
    match maps.create(&dry_run, &map).await {
        Ok(_) => true,
        Err(kube::Error::Service(error)) if error.is::<Closed>() => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_leader_whose_lease_another_took_writes_nothing_any_more_though_it_has_not_heard_of_it() {
    let room = Room::open("lease", "restricted").await;
    let leases: Api<Lease> = Api::namespaced(room.client.clone(), &room.name);
    let fence = Fence::default();
    let client = lease::fenced(config().await, &fence).unwrap();
    assert!(!writes(&client, &room).await, "nobody leads");

    let mut leadership = Leadership::stand(room.client.clone(), &replica(&room, "a")).await.unwrap();
    let (kept, watched) = (fence.clone(), leases.clone());
    tokio::spawn(async move { lease::keep(kept, watched, LEASE, "a").await });
    leadership.won().await.unwrap();
    tokio::time::timeout(PATIENCE, fence.opened()).await.expect("the fence opens");
    assert!(writes(&client, &room).await);
    let mut second = Leadership::stand(room.client.clone(), &replica(&room, "b")).await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(3), second.won()).await;
    assert!(early.is_err(), "one leads");

    // As by a replica that believes the lease to have ended.
    let taken = json!({"spec": {"holderIdentity": "b"}});
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    let closed = async {
        while writes(&client, &room).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Long before the lease would have ended.
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the fence closes");
    let maps: Api<ConfigMap> = Api::namespaced(client, &room.name);
    assert_eq!(maps.get_opt("written").await.unwrap(), None, "reads pass");
    let lost = tokio::time::timeout(PATIENCE, leadership.lost()).await.expect("it hears of it");
    assert!(lost.is_err());
    room.close().await;
}
