//! Whatever happens, in whatever order: workloads, their controllers, the policy, the operator's version and somebody who takes
//! the annotation away, against a model of StatefulSets.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What happens in the cluster.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The policy says something else of injection.
    Policy,
    /// Only the operator injects something else.
    Operator,
    /// The workload's controller makes the next pod of an older revision anew, when all are ready.
    Controller(usize),
    /// All pods of the workload become ready.
    Ready(usize),
    /// One does not stay so.
    Crash(usize),
    /// Somebody takes the annotation away.
    Revert(usize),
    /// Somebody has a pod made without the sidecar.
    Strip(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let set = 0..SETS;
    prop_oneof![
        1 => Just(Event::Policy),
        1 => Just(Event::Operator),
        6 => set.clone().prop_map(Event::Controller),
        6 => set.clone().prop_map(Event::Ready),
        1 => set.clone().prop_map(Event::Crash),
        2 => set.clone().prop_map(Event::Revert),
        1 => set.prop_map(Event::Strip),
    ]
}

const SETS: usize = 3;

struct Pod {
    name: String,
    injected: Option<u32>,
    revision: Option<u32>,
    is_ready: bool,
}

struct Set {
    put: Option<u32>,
    pods: Vec<Pod>,
    memory: RolloutStatus,
}

impl Set {
    fn is_whole(&self) -> bool {
        self.pods.iter().all(|pod| pod.is_ready && pod.revision == self.put)
    }
}

struct World {
    wanted: u32,
    policy: u32,
    sets: Vec<Set>,
    /// How often each workload was begun for what is wanted now.
    begun: BTreeMap<usize, u32>,
}

impl World {
    /// Two pods each, without the sidecar.
    fn new() -> Self {
        let pod = |set: usize, number: usize| Pod {
            name: format!("wiki-{set}-{number}"),
            injected: None,
            revision: None,
            is_ready: true,
        };
        let set =
            |set| Set { put: None, pods: vec![pod(set, 0), pod(set, 1)], memory: RolloutStatus::default() };
        Self { wanted: 0, policy: 0, sets: (0..SETS).map(set).collect(), begun: BTreeMap::new() }
    }

    fn happen(&mut self, event: Event) {
        let wanted = self.wanted;
        match event {
            Event::Policy | Event::Operator => {
                self.policy += u32::from(matches!(event, Event::Policy));
                self.wanted += 1;
                self.begun.clear();
            }
            Event::Controller(set) => {
                let Set { put, pods, .. } = &mut self.sets[set];
                let all_ready = pods.iter().all(|pod| pod.is_ready);
                if let Some(pod) = pods.iter_mut().rfind(|pod| all_ready && pod.revision != *put) {
                    (pod.injected, pod.revision, pod.is_ready) = (Some(wanted), *put, false);
                }
            }
            Event::Ready(set) => self.sets[set].pods.iter_mut().for_each(|pod| pod.is_ready = true),
            Event::Crash(set) => self.sets[set].pods[0].is_ready = false,
            Event::Revert(set) => self.sets[set].put = None,
            Event::Strip(set) => self.sets[set].pods[1].injected = None,
        }
    }

    fn reconcile(&mut self) {
        let (wanted, policy) = (self.wanted.to_string(), self.policy.to_string());
        let templates: Vec<Template> = self
            .sets
            .iter()
            .enumerate()
            .map(|(number, set)| {
                let mut template = testing::template(&format!("wiki-{number}"), json!({}), "confluence");
                if let Some(mark) = set.put {
                    put(&mut template, &mark.to_string());
                }
                template.unsettled = (!set.is_whole()).then(|| "u".into());
                template
            })
            .collect();
        let standings: Vec<Standing<'_>> = templates
            .iter()
            .zip(&self.sets)
            .map(|(template, set)| {
                let named = |is: &dyn Fn(&Pod) -> bool| {
                    set.pods.iter().filter(|pod| is(pod)).map(|pod| pod.name.as_str()).collect::<Vec<_>>()
                };
                Standing {
                    template,
                    aim: Aim::Injected { hash: &wanted, policy: &policy },
                    behind: named(&|pod| pod.injected != Some(self.wanted)),
                    lacks_sidecar: !named(&|pod| pod.injected.is_none()).is_empty(),
                    on_purpose: None,
                    unready: named(&|pod| !pod.is_ready).first().copied(),
                    memory: set.memory.clone(),
                }
            })
            .collect();
        let steps = plan(&standings);
        let memories: Vec<_> =
            standings.iter().zip(&steps).map(|(standing, step)| standing.remember(step)).collect();
        let started: Vec<usize> =
            (0..SETS).filter(|number| matches!(steps[*number], Step::Start(_))).collect();
        assert!(started.len() <= 1, "two at once: {steps:?}");
        for number in started {
            assert!(self.sets.iter().all(Set::is_whole), "begun while something was not whole: {steps:?}");
            let set = &self.sets[number];
            let lacks = set.pods.iter().any(|pod| pod.injected.is_none());
            assert!(lacks || set.memory.policy != policy, "an upgrade of the operator restarted {number}");
            let times = self.begun.entry(number).or_default();
            *times += 1;
            assert_eq!(*times, 1, "begun twice for one hash");
            self.sets[number].put = Some(self.wanted);
        }
        for (set, memory) in self.sets.iter_mut().zip(memories) {
            set.memory = memory;
        }
    }
}

proptest! {
    #[test]
    fn one_at_a_time_once_for_each_hash_and_never_for_the_operator_alone(
        events in prop::collection::vec(event(), 1..80)
    ) {
        let mut world = World::new();
        world.reconcile();
        for event in events {
            world.happen(event);
            world.reconcile();
        }
    }

    /// Left alone, every workload comes to what the policy says.
    #[test]
    fn all_come_to_what_the_policy_says(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        for event in events {
            if !matches!(event, Event::Revert(_) | Event::Strip(_) | Event::Operator) {
                world.happen(event);
            }
            world.reconcile();
        }
        for _ in 0..20 {
            for set in 0..SETS {
                world.happen(Event::Ready(set));
                world.happen(Event::Controller(set));
            }
            world.reconcile();
        }
        let pods = world.sets.iter().flat_map(|set| &set.pods);
        prop_assert!(pods.clone().all(|pod| pod.injected == Some(world.wanted)));
    }
}
