use super::allocator::{AllocateError, Allocator, GRACE, Known, Record, Store};
use super::*;
use ringfence_scc::{MCS, SUPPLEMENTAL_GROUPS, UID_RANGE};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Lock};
use tokio::time::sleep;

/// A server with versions, to which the way is as slow and lossy as the weather makes it.
#[derive(Debug, Default)]
struct World {
    record: Option<Record>,
    namespaces: BTreeMap<String, Known>,
    version: u64,
    random: u64,
    /// How long requests may be under way after who asked has given up, in seconds; 0 for good weather.
    storm: u64,
    given: usize,
    /// What must never happen.
    doubles: Vec<String>,
}

impl World {
    /// Numbers that the test's seed decides.
    fn below(&mut self, most: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % most.max(1)
    }

    fn stamp(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn create(&mut self, name: &str, annotations: &[(&str, &str)]) {
        let version = Some(self.stamp());
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (uid, name) = (version.clone(), name.to_owned());
        self.namespaces.entry(name.clone()).or_insert(Known { name, uid, version, annotations, terminating: false });
    }

    fn save(&mut self, record: &Record) -> Result<Record, WriteError> {
        if self.record.as_ref().and_then(|known| known.version.clone()) != record.version {
            return Err(WriteError::Conflict("version".to_owned()));
        }
        let saved = Record { version: Some(self.stamp()), uid: Some("u".to_owned()), ..record.clone() };
        self.record = Some(saved.clone());
        Ok(saved)
    }

    fn annotate(&mut self, namespace: &Known, annotations: &BTreeMap<String, String>) -> Result<(), WriteError> {
        let version = self.stamp();
        let block = annotations[UID_RANGE].clone();
        let Some(known) = self.namespaces.get(&namespace.name) else { return Err(WriteError::Gone) };
        if known.uid != namespace.uid || known.version != namespace.version {
            return Err(WriteError::Conflict("version".to_owned()));
        }
        let has_it = |other: &&Known| other.annotations.get(UID_RANGE) == Some(&block);
        if let Some(other) = self.namespaces.values().find(has_it) {
            self.doubles.push(format!("{} and {} have {block}", other.name, namespace.name));
        }
        if let Some(known) = self.namespaces.get_mut(&namespace.name) {
            known.annotations.extend(annotations.clone());
            known.version = Some(version);
        }
        self.given += 1;
        Ok(())
    }

    fn blocks(&self) -> Vec<&str> {
        self.namespaces.values().filter_map(|known| known.annotations.get(UID_RANGE)).map(String::as_str).collect()
    }
}

#[derive(Debug, Clone, Default)]
struct Link(Arc<Lock<World>>);

impl Link {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// A request that the server acts on, now or later, whether or not the answer comes through.
    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut World) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (late, wait, after, luck) = {
            let mut world = self.world();
            let storm = world.storm;
            (world.below(storm * 1000), world.below(500), world.below(500), storm > 0 && world.below(4) == 0)
        };
        if luck {
            let link = self.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(late)).await;
                let _ = act(&mut link.world());
            });
            sleep(Duration::from_secs(10)).await;
            return Err(WriteError::Failed("no answer in time".to_owned()));
        }
        sleep(Duration::from_millis(wait)).await;
        let answer = act(&mut self.world());
        sleep(Duration::from_millis(after)).await;
        answer
    }
}

impl Store for Link {
    async fn record(&self) -> Result<Option<Record>, WriteError> {
        self.ask(|world| Ok(world.record.clone())).await
    }

    async fn save(&self, record: &Record) -> Result<Record, WriteError> {
        let record = record.clone();
        self.ask(move |world| world.save(&record)).await
    }

    async fn namespaces(&self) -> Result<Vec<Known>, WriteError> {
        self.ask(|world| Ok(world.namespaces.values().cloned().collect())).await
    }

    async fn namespace(&self, name: &str) -> Result<Option<Known>, WriteError> {
        let name = name.to_owned();
        self.ask(move |world| Ok(world.namespaces.get(&name).cloned())).await
    }

    async fn annotate(&self, namespace: &Known, annotations: &BTreeMap<String, String>) -> Result<(), WriteError> {
        let (namespace, annotations) = (namespace.clone(), annotations.clone());
        self.ask(move |world| world.annotate(&namespace, &annotations)).await
    }
}

fn small() -> Ranges {
    Ranges { uids: "1000-1119/10".parse().unwrap(), ..Ranges::default() }
}

/// As the worker does: again after a failure.
async fn allocate(allocator: &mut Allocator<Link>, name: &str) -> Result<(), AllocateError> {
    let mut last = Ok(());
    for _ in 0..3 {
        last = allocator.allocate(name).await.map(drop);
        if last.is_ok() {
            break;
        }
    }
    last
}

#[tokio::test(start_paused = true)]
async fn a_namespace_gets_the_first_free_block_and_the_level_of_its_place() {
    let link = Link::default();
    for name in ["a", "b", "mine"] {
        link.world().create(name, &[]);
    }
    link.world().create("old", &[(UID_RANGE, "1000000000/10000")]);
    link.world().namespaces.get_mut("mine").unwrap().annotations.insert(MCS.into(), "s0:c7,c6".into());
    let mut allocator = Allocator::new(link.clone(), Ranges::default());
    for name in ["a", "b", "mine"] {
        allocate(&mut allocator, name).await.unwrap();
    }
    let world = link.world();
    let of = |name: &str, key: &str| world.namespaces[name].annotations.get(key).cloned().unwrap_or_default();
    assert_eq!(of("a", UID_RANGE), "1000010000/10000");
    assert_eq!(of("a", SUPPLEMENTAL_GROUPS), "1000010000/10000");
    assert_eq!(of("b", UID_RANGE), "1000020000/10000");
    // The second block's level is that of offset 5, the third's of offset 10.
    assert_eq!((of("a", MCS), of("b", MCS)), ("s0:c3,c2".into(), "s0:c5,c0".into()));
    assert_eq!(of("mine", MCS), "s0:c7,c6", "what it has stays");
}

#[tokio::test(start_paused = true)]
async fn repair_takes_what_namespaces_have_and_frees_nothing_at_first_sight() {
    let link = Link::default();
    link.world().create("gone", &[]);
    link.world().create("stays", &[]);
    let mut allocator = Allocator::new(link.clone(), small());
    allocate(&mut allocator, "gone").await.unwrap();
    allocate(&mut allocator, "stays").await.unwrap();
    link.world().namespaces.remove("gone");
    let first = allocator.repair().await.unwrap();
    assert_eq!((first.taken, first.unused, first.freed), (2, 1, 0));
    sleep(GRACE / 2).await;
    assert_eq!(allocator.repair().await.unwrap().freed, 0);
    sleep(GRACE).await;
    let last = allocator.repair().await.unwrap();
    assert_eq!((last.taken, last.unused, last.freed), (1, 0, 1));
    link.world().create("new", &[]);
    allocate(&mut allocator, "new").await.unwrap();
    assert_eq!(link.world().namespaces["new"].annotations[UID_RANGE], "1000/10", "freed, and given again");
}

#[tokio::test(start_paused = true)]
async fn doubles_made_by_hand_are_told_and_left() {
    let link = Link::default();
    link.world().create("a", &[(UID_RANGE, "1000/10")]);
    link.world().create("b", &[(UID_RANGE, "1000-1009")]);
    link.world().create("crooked", &[(UID_RANGE, "1015/10")]);
    link.world().create("huge", &[(UID_RANGE, "1/4000000000")]);
    link.world().create("odd", &[(UID_RANGE, "what?")]);
    link.world().create("groups", &[(SUPPLEMENTAL_GROUPS, "7/1")]);
    let mut allocator = Allocator::new(link.clone(), small());
    let before = link.world().namespaces.clone();
    let repaired = allocator.repair().await.unwrap();
    assert_eq!(repaired.duplicates, [("b".into(), "a".into(), "1000-1009".into())]);
    assert_eq!(repaired.strange.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["crooked", "huge", "odd"]);
    assert_eq!(link.world().namespaces, before);
    assert!(matches!(allocate(&mut allocator, "groups").await, Err(AllocateError::OnlyGroups)));
    link.world().create("new", &[]);
    allocate(&mut allocator, "new").await.unwrap();
    assert_eq!(link.world().namespaces["new"].annotations[UID_RANGE], "1030/10", "nothing crooked is touched");
}

#[tokio::test(start_paused = true)]
async fn a_full_range_is_said_to_be_full_and_one_without_levels_too() {
    let link = Link::default();
    let mut allocator = Allocator::new(link.clone(), Ranges { uids: "1000-1019/10".parse().unwrap(), ..small() });
    for name in ["a", "b", "c"] {
        link.world().create(name, &[]);
    }
    allocate(&mut allocator, "a").await.unwrap();
    allocate(&mut allocator, "b").await.unwrap();
    assert!(matches!(allocate(&mut allocator, "c").await, Err(AllocateError::Full(_))));
    let levels = Ranges { levels: "s0:/2,4".parse().unwrap(), levels_each: 5, ..small() };
    assert_eq!(levels.namespaces(), 2);
    let mut allocator = Allocator::new(link.clone(), levels);
    assert!(matches!(allocate(&mut allocator, "c").await, Err(AllocateError::NoLabel(_))));
    assert_eq!(link.world().namespaces["c"].annotations.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_range_begins_a_new_record_from_what_the_namespaces_have() {
    let link = Link::default();
    for name in ["a", "b"] {
        link.world().create(name, &[]);
    }
    allocate(&mut Allocator::new(link.clone(), small()), "a").await.unwrap();
    let wider = Ranges { uids: "1000-1999/10".parse().unwrap(), ..small() };
    allocate(&mut Allocator::new(link.clone(), wider), "b").await.unwrap();
    assert_eq!(link.world().blocks(), ["1000/10", "1010/10"]);
    assert_eq!(link.world().record.as_ref().unwrap().range, "1000-1999/10");
}

/// Three replicas that all believe to lead, namespaces that come and go, and requests that arrive when nobody waits any
/// more.
async fn chaos(seed: u64) -> World {
    let link = Link::default();
    (link.world().random, link.world().storm) = (seed, 60);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let link = link.clone();
        tasks.spawn(async move {
            let mut allocator = Allocator::new(link.clone(), small());
            for _ in 0..100 {
                let (pause, what) = {
                    let mut world = link.world();
                    (world.below(30_000), world.below(14))
                };
                sleep(Duration::from_millis(pause)).await;
                if what >= 10 {
                    let _ = allocator.repair().await;
                } else {
                    let _ = allocator.allocate(&what.to_string()).await;
                }
            }
        });
    }
    {
        let link = link.clone();
        tasks.spawn(async move {
            for _ in 0..400 {
                sleep(Duration::from_secs(6)).await;
                let mut world = link.world();
                let name = world.below(10).to_string();
                if world.namespaces.contains_key(&name) && world.below(3) == 0 {
                    world.namespaces.remove(&name);
                } else {
                    world.create(&name, &[]);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    std::mem::take(&mut *link.world())
}

/// The seeds are always the same, so that the test is; `RINGFENCE_SEEDS` tries as many others.
#[test]
fn no_block_is_given_twice_however_requests_interleave() {
    let more: Option<u64> = std::env::var("RINGFENCE_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = more.map_or(0..60, |more| 1_000_000..1_000_000 + more);
    let (mut given, tried) = (0, seeds.end - seeds.start);
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let world = runtime.block_on(chaos(seed));
        assert_eq!(world.doubles, Vec::<String>::new(), "seed {seed}");
        given += world.given as u64;
    }
    assert!(given > 12 * tried, "there are twelve blocks, and no more than {given} were given in {tried} runs");
}
