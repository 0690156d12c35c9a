//! What the main thread does for whoever asks, with a controller that has no switches.

use super::*;
use crate::config::HistoryConfig;
use crate::reload::Counted;

fn text(flows: &str) -> String {
    format!(
        "http: {{ listen: \"127.0.0.1:0\", socket: off }}\nopenflow: {{ listen: [\"ptcp:0:127.0.0.1\"] }}\nflows: {{ all: [{flows}] }}\n"
    )
}

fn source(flows: &str) -> Source {
    Source { name: "given.yaml".to_owned(), text: text(flows).into() }
}

struct World {
    controller: Controller,
    changes: Changes,
    told: watch::Receiver<Arc<Remembered>>,
}

impl World {
    fn new() -> World {
        let started = source("\"priority=1,actions=drop\"");
        let config = Config::parse(&started.text).unwrap();
        let controller = Controller::start(&config).unwrap();
        let (sender, told) = watch::channel(Arc::default());
        let reloader = Reloader::new(config, None, Arc::<Counted>::default());
        let changes = Changes::new(reloader, started, &HistoryConfig::default(), sender);
        World { controller, changes, told }
    }

    async fn grant(&mut self, wish: Wish) -> Result<Outcome, Refusal> {
        self.changes.grant(wish, &self.controller, |_| {}).await
    }

    /// Numbers of those that are remembered, and which waits.
    fn told(&self) -> (Vec<u64>, Option<u64>) {
        let remembered = self.told.borrow().clone();
        let numbers = remembered.taken.iter().map(|one| one.number).collect();
        (numbers, remembered.waiting.map(|waiting| waiting.number))
    }

    fn plan(&self, flows: &str) -> oneshot::Receiver<Result<Plan, Refusal>> {
        let (answer, answered) = oneshot::channel();
        self.changes.plan(&source(flows), answer, &self.controller, |_| {});
        answered
    }
}

#[tokio::test]
async fn what_is_applied_for_a_while_is_confirmed_or_gone_back_from() {
    let mut world = World::new();
    let minute = Duration::from_secs(60);
    let (two, three) = (source("\"priority=2,actions=drop\""), source("\"priority=3,actions=drop\""));
    assert_eq!(world.told(), (vec![1], None));
    assert!(world.grant(Wish::Confirm(None)).await.is_err(), "nothing waits");

    let outcome = world.grant(Wish::Apply(two.clone(), Some(minute))).await.unwrap();
    assert_eq!((outcome.number, outcome.confirm_within), (2, Some(60)));
    assert_eq!(outcome.changed[0].what, "flows: 1 rule added, 0 changed, 1 removed");
    assert_eq!(world.told(), (vec![1, 2], Some(2)));
    assert!(world.changes.deadline().is_some());
    let refused = world.grant(Wish::Apply(three.clone(), Some(minute))).await.unwrap_err();
    assert_eq!(
        refused,
        Refusal::Process("configuration 2 waits to be confirmed: confirm it or roll it back first".to_owned())
    );
    assert_eq!(world.grant(Wish::Confirm(Some(2))).await.unwrap().number, 2);
    assert_eq!((world.told(), world.changes.deadline().is_some()), ((vec![1, 2], None), false));
    // The same text again is no other configuration: there is nothing to confirm.
    let again = world.grant(Wish::Apply(two, Some(minute))).await.unwrap();
    assert_eq!((again.number, again.confirm_within), (2, None));

    // One that is refused is not remembered, and ends nobody's wait.
    world.grant(Wish::Apply(three, Some(minute))).await.unwrap();
    let wrong = world.grant(Wish::Reload(Some(source("\"actoins=drop\"")))).await.unwrap_err();
    assert!(matches!(wrong, Refusal::File(lines) if lines.contains("given.yaml:3:")));
    assert_eq!(world.told(), (vec![1, 2, 3], Some(3)));
    assert!(world.changes.go_back(&world.controller, |_| {}).await.is_none(), "its time is not over");
    assert_eq!(world.grant(Wish::Rollback(None)).await.unwrap().number, 4);
    assert_eq!(world.told(), (vec![1, 2, 3, 4], None));
    assert_eq!(world.grant(Wish::Rollback(Some(1))).await.unwrap().number, 5);
    assert!(world.grant(Wish::Reload(None)).await.is_err(), "the process has no file");
    world.controller.stop();
}

#[tokio::test]
async fn one_plan_is_worked_out_at_a_time_and_changes_nothing() {
    let world = World::new();
    let busy = world.changes.plans.clone().try_acquire_owned().unwrap();
    let refused = world.plan("\"priority=2,actions=drop\"").await.unwrap().unwrap_err();
    assert_eq!(refused, Refusal::Process("another plan is being worked out: ask again when it is done".to_owned()));
    drop(busy);
    // Also after one that is refused for itself.
    assert!(matches!(world.plan("\"actoins=drop\"").await.unwrap(), Err(Refusal::File(_))));
    for _ in 0..2 {
        let plan = world.plan("\"priority=2,actions=drop\"").await.unwrap().unwrap();
        assert_eq!(plan.outcome.changed[0].what, "flows: 1 rule added, 0 changed, 1 removed");
    }
    assert_eq!(world.told(), (vec![1], None));
    world.controller.stop();
}
