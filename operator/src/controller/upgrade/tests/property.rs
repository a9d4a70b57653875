//! Whatever happens, in whatever order: kubelets, crashes, rollouts, images that do not come up, and other images in the chart,
//! against a model of pods.

use proptest::prelude::*;

use super::*;

/// What happens in the cluster.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The chart says this image.
    Chart(usize),
    /// The kubelet sees what the pod asks for, and starts a container of it.
    Kubelet(usize),
    /// The pod's container gets as far as it can.
    Settle(usize),
    /// Confluence is not ready, or is again.
    Confluence(usize),
    /// The pod is made anew.
    Anew(usize),
    /// The workload has something to do, or has done it.
    Rollout(usize),
    /// The operator looks.
    Look,
}

fn event() -> impl Strategy<Value = Event> {
    let pod = 0..PODS;
    prop_oneof![
        1 => (0..IMAGES.len()).prop_map(Event::Chart),
        6 => pod.clone().prop_map(Event::Kubelet),
        6 => pod.clone().prop_map(Event::Settle),
        1 => pod.clone().prop_map(Event::Confluence),
        1 => pod.clone().prop_map(Event::Anew),
        1 => (0..2usize).prop_map(Event::Rollout),
        8 => Just(Event::Look),
    ]
}

const PODS: usize = 4;
/// The last does not come up.
const IMAGES: [&str; 3] = ["a", "b", "bad"];

/// What a pod is, beside what the operator sees of it.
struct Pod {
    /// Image of the container that runs, or is to.
    runs: String,
    confluence: bool,
}

struct World {
    case: Case,
    pods: Vec<Pod>,
    containers: u32,
}

impl World {
    /// Two workloads of two pods.
    fn new() -> Self {
        let names = [("wiki-0", "wiki"), ("wiki-1", "wiki"), ("blog-0", "blog"), ("blog-1", "blog")];
        let mut case = Case::new();
        case.census.members = names.iter().map(|(pod, workload)| member(pod, workload)).collect();
        case.templates.iter_mut().for_each(|template| template.replicas = 2);
        case.answering = names.iter().map(|(pod, _)| *pod).collect();
        case.census.image = IMAGES[0].into();
        for pod in 0..PODS {
            case.sidecar(pod).image = IMAGES[0].into();
        }
        let pods = (0..PODS).map(|_| Pod { runs: IMAGES[0].into(), confluence: true }).collect();
        Self { case, pods, containers: 0 }
    }

    fn start(&mut self, pod: usize) {
        self.containers += 1;
        let id = format!("c-{}", self.containers);
        let sidecar = self.case.sidecar(pod);
        (sidecar.id, sidecar.state) = (Some(id), State::Down);
        self.pods[pod].runs.clone_from(&sidecar.image);
        self.case.census.members[pod].is_ready = false;
    }

    fn settle(&mut self, pod: usize) {
        let is_bad = self.pods[pod].runs == "bad";
        let state = if is_bad { failing("ImagePullBackOff") } else { State::Up };
        self.case.census.members[pod].is_ready = !is_bad && self.pods[pod].confluence;
        self.case.sidecar(pod).state = state;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Chart(image) => self.case.census.image = IMAGES[image].into(),
            Event::Kubelet(pod) => {
                if self.pods[pod].runs != self.case.sidecar(pod).image {
                    self.start(pod);
                }
            }
            Event::Settle(pod) => self.settle(pod),
            Event::Confluence(pod) => {
                let confluence = !self.pods[pod].confluence;
                self.pods[pod].confluence = confluence;
                self.case.census.members[pod].is_ready = false;
            }
            Event::Anew(pod) => {
                let image = self.case.census.image.clone();
                let sidecar = self.case.sidecar(pod);
                (sidecar.image, sidecar.replaces) = (image, None);
                self.start(pod);
            }
            Event::Rollout(set) => {
                let unsettled = &mut self.case.templates[set].unsettled;
                *unsettled = unsettled.is_none().then(|| "u".to_owned());
            }
            Event::Look => self.look(),
        }
    }

    fn look(&mut self) {
        let plan = self.case.plan();
        let position = |of: &Member| self.case.census.members.iter().position(|it| it.id == of.id).unwrap();
        let arrived: Vec<usize> = plan.arrived.iter().map(|member| position(member)).collect();
        let next = plan.next.map(position);
        let has_failing = !plan.failing.is_empty();
        for pod in &arrived {
            let sidecar = self.case.census.members[*pod].sidecar.as_ref().unwrap();
            assert_eq!(
                (&self.pods[*pod].runs, &sidecar.state),
                (&sidecar.image, &State::Up),
                "not well with it"
            );
        }
        if let Some(next) = next {
            assert!(!has_failing, "one more, although a pod does not come up");
            self.may_be_disturbed(next);
            let image = self.case.census.image.clone();
            let sidecar = self.case.sidecar(next);
            assert_ne!(sidecar.image, image, "it has the image");
            sidecar.replaces = Some(sidecar.to_be_replaced());
            sidecar.image = image;
        }
        arrived.into_iter().filter(|pod| Some(*pod) != next).for_each(|pod| {
            self.case.sidecar(pod).replaces = None;
        });
        let under_way = self.case.census.members.iter().filter(|member| !is_settled(member)).count();
        assert!(under_way <= 1, "two at once");
    }

    /// Either it was down already, or nothing else of its workload is.
    fn may_be_disturbed(&self, pod: usize) {
        let member = &self.case.census.members[pod];
        let was_down = member.sidecar.as_ref().unwrap().state != State::Up;
        if was_down || !is_settled(member) {
            return;
        }
        let others =
            self.case.census.members.iter().zip(&self.pods).filter(|(it, _)| it.workload == member.workload);
        for (other, inside) in others {
            let sidecar = other.sidecar.as_ref().unwrap();
            assert!(other.is_ready && inside.runs == sidecar.image, "{} is disturbed already", other.id.pod);
        }
        let template = self.case.templates.iter().find(|it| it.workload == member.workload).unwrap();
        assert_eq!(template.unsettled, None, "a rollout runs");
    }
}

fn is_settled(member: &Member) -> bool {
    member.sidecar.as_ref().is_some_and(|sidecar| sidecar.replaces.is_none())
}

proptest! {
    #[test]
    fn never_two_disturbed_pods_of_a_workload_and_none_after_one_that_does_not_come_up(
        events in prop::collection::vec(event(), 1..120)
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
    }

    /// Left alone with an image that comes up, every pod comes to it, whatever was before.
    #[test]
    fn all_come_to_an_image_that_comes_up(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.happen(Event::Chart(1));
        world.case.templates.iter_mut().for_each(|template| template.unsettled = None);
        world.pods.iter_mut().for_each(|pod| pod.confluence = true);
        for _ in 0..4 * PODS {
            for pod in 0..PODS {
                world.happen(Event::Kubelet(pod));
                world.happen(Event::Settle(pod));
            }
            world.happen(Event::Look);
        }
        prop_assert!(world.pods.iter().all(|pod| pod.runs == "b"));
        prop_assert_eq!(world.case.plan(), Plan::default());
    }
}
