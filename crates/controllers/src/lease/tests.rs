use super::*;
use proptest::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A lease on a server that checks versions. Answers may be slow, be lost, or come to nothing.
#[derive(Debug, Default)]
struct Server {
    lease: Mutex<(Option<Lease>, u64)>,
}

#[derive(Debug, Clone)]
struct Link {
    server: Arc<Server>,
    /// How the next requests fare: milliseconds before and after the server acts, and whether the answer is lost.
    weather: Arc<Mutex<Vec<(u64, u64, bool)>>>,
}

impl Link {
    fn calm(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), weather: Arc::default() }
    }

    async fn ask<T>(&self, act: impl FnOnce(&mut (Option<Lease>, u64)) -> Result<T, String>) -> Result<T, String> {
        let weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (before, after, lost) = weather.unwrap_or((0, 0, false));
        sleep(Duration::from_millis(before)).await;
        let answer = act(&mut self.server.lease.lock().unwrap());
        sleep(Duration::from_millis(after)).await;
        if lost { Err("no answer".to_owned()) } else { answer }
    }
}

impl Leases for Link {
    async fn get(&self) -> Result<Option<Lease>, String> {
        self.ask(|(lease, _)| Ok(lease.clone())).await
    }

    async fn create(&self, wanted: &Lease) -> Result<Lease, String> {
        self.ask(
            |(lease, version)| if lease.is_some() { Err("exists".into()) } else { Ok(put(lease, version, wanted)) },
        )
        .await
    }

    async fn update(&self, wanted: &Lease) -> Result<Lease, String> {
        self.ask(|(lease, version)| {
            let known = lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
            if known.is_none() || known != wanted.metadata.resource_version {
                return Err("conflict".into());
            }
            Ok(put(lease, version, wanted))
        })
        .await
    }
}

fn put(lease: &mut Option<Lease>, version: &mut u64, wanted: &Lease) -> Lease {
    *version += 1;
    let mut wanted = wanted.clone();
    wanted.metadata.resource_version = Some(version.to_string());
    *lease = Some(wanted.clone());
    wanted
}

fn elector(link: Link, identity: &str) -> Elector<Link> {
    Elector::new(link, identity.to_owned(), Timing::default(), Arc::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_until_it_has_been_seen_unchanged_for_its_duration() {
    let server = Arc::new(Server::default());
    let (mut a, mut b) = (elector(Link::calm(&server), "a"), elector(Link::calm(&server), "b"));
    assert!(a.attempt().await.is_some());
    assert!(b.attempt().await.is_none());
    tokio::time::advance(seconds(14)).await;
    assert!(b.attempt().await.is_none());
    assert!(a.attempt().await.is_some(), "renewed");
    tokio::time::advance(seconds(14)).await;
    assert!(b.attempt().await.is_none(), "a renewal was seen");
    tokio::time::advance(seconds(16)).await;
    assert!(b.attempt().await.is_some());
    assert!(a.attempt().await.is_none());
    let lease = server.lease.lock().unwrap().0.clone().unwrap();
    assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn clocks_that_disagree_do_not_matter() {
    let server = Arc::new(Server::default());
    let (mut a, mut b) = (elector(Link::calm(&server), "a"), elector(Link::calm(&server), "b"));
    assert!(a.attempt().await.is_some());
    // The holder's clock is a day behind, or ahead.
    for day in [-86_400, 86_400] {
        let mut lease = server.lease.lock().unwrap().0.clone().unwrap();
        let spec = lease.spec.as_mut().unwrap();
        spec.renew_time = Some(MicroTime(now() + jiff::SignedDuration::from_secs(day)));
        put(&mut server.lease.lock().unwrap().0, &mut 100, &lease);
        assert!(b.attempt().await.is_none());
        tokio::time::advance(seconds(14)).await;
        assert!(b.attempt().await.is_none());
    }
    tokio::time::advance(seconds(2)).await;
    assert!(b.attempt().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_end_gives_the_lease_back_and_the_next_need_not_wait() {
    let server = Arc::new(Server::default());
    let (fence, (end, ended)) = (Fence::new(Term::Idle), watch::channel(false));
    let running = tokio::spawn(elector(Link::calm(&server), "a").run(fence.clone(), ended));
    fence.leading().await;
    assert!(fence.leads());
    end.send_replace(true);
    running.await.unwrap();
    assert!(!fence.leads());
    let spec = server.lease.lock().unwrap().0.clone().unwrap().spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
    assert!(elector(Link::calm(&server), "b").attempt().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_a_server_stops_before_its_lease_ends() {
    let server = Arc::new(Server::default());
    let link = Link::calm(&server);
    let fence = Fence::new(Term::Idle);
    let (_end, ended) = watch::channel(false);
    let running = tokio::spawn(elector(link.clone(), "a").run(fence.clone(), ended));
    fence.leading().await;
    let began = Instant::now();
    *link.weather.lock().unwrap() = vec![(seconds(3600).as_millis() as u64, 0, true); 100];
    while fence.leads() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() <= seconds(10), "{:?}", began.elapsed());
    running.abort();
}

#[test]
fn times_that_do_not_fit_are_refused_as_client_go_does() {
    let timing = |lease: u64, renew: u64, retry: u64| {
        Timing { lease_duration: seconds(lease), renew_deadline: seconds(renew), retry_period: seconds(retry) }.check()
    };
    assert_eq!(timing(15, 10, 2), Ok(()));
    assert!(matches!(timing(10, 10, 2), Err(TimingError::Deadline(..))));
    assert!(matches!(timing(15, 10, 9), Err(TimingError::Retry(..))));
    assert!(matches!(timing(0, 0, 0), Err(TimingError::Seconds(..))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// However slow and lossy the way to the server is for each: no two may write at one time.
    #[test]
    fn no_two_lead_at_one_time(
        weathers in prop::collection::vec(prop::collection::vec((0_u64..9000, 0_u64..9000, prop::bool::weighted(0.3)), 40), 3)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let terms = runtime.block_on(async {
            let server = Arc::new(Server::default());
            let mut fences = Vec::new();
            let (_end, ended) = watch::channel(false);
            for (i, weather) in weathers.into_iter().enumerate() {
                let link = Link { server: Arc::clone(&server), weather: Arc::new(Mutex::new(weather)) };
                let fence = Fence::new(Term::Idle);
                tokio::spawn(elector(link, &i.to_string()).run(fence.clone(), ended.clone()));
                fences.push(fence);
            }
            let mut seen = Vec::new();
            for _ in 0..4000 {
                sleep(Duration::from_millis(150)).await;
                // A write that begins now may be waited for as long as this.
                seen.push(fences.iter().map(|fence| fence.may_write(Instant::now()).is_ok()).collect::<Vec<_>>());
            }
            seen
        });
        for leading in &terms {
            prop_assert!(leading.iter().filter(|leads| **leads).count() <= 1, "{leading:?}");
        }
        // When the weather clears, somebody leads.
        prop_assert!(terms.last().unwrap().contains(&true));
    }
}
