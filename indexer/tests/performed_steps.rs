//! What devices say of performed procedure steps: what is taken and what is not, at each limit and one beyond it, and
//! that what was taken outlives the process, the power and the index.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use archive_world::{World, store};
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::steps::{self, begun, now, reference, series};
use fixtures::writer::{Attribute, DataSet, Syntax, Vr, keyword as k};
use indexer::archive::{Archive, STEP_BYTES_MAX, StepError, StepErrorKind, StepTeller};
use indexer::db::FacilityId;
use indexer::statement::{Kind, PerformedStep, STEP_INSTANCES_MAX, STEP_SERIES_MAX, State, StepStatus};
use storage_config::Uid;

const NAME: &str = "1.2.826.7.1";

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn teller(facility: u32) -> StepTeller {
    StepTeller { facility: FacilityId(facility), name: "CT1".into(), source: "dimse:CT1@127.0.0.1".into() }
}

/// N-CREATE where `created`, else N-SET, in a transfer syntax and in pieces.
fn tell(
    archive: &Archive,
    (name, created, facility): (Option<&str>, bool, u32),
    syntax: Syntax,
    bytes: &[u8],
) -> Result<Uid, StepErrorKind> {
    let read = || {
        let mut reading = archive.begin_step(&uid(syntax.uid))?;
        bytes.chunks(1000).try_for_each(|piece| reading.push(piece))?;
        let attributes = reading.finish()?;
        let name = name.map(uid);
        if created {
            return archive.create_step(name.as_ref(), &teller(facility), &attributes);
        }
        let name = name.unwrap();
        archive.change_step(&name, &teller(facility), &attributes).map(|()| name)
    };
    read().map_err(|error: StepError| error.kind())
}

fn create(archive: &Archive, name: &str, set: &DataSet) -> Result<Uid, StepErrorKind> {
    let syntax = Syntax::IMPLICIT_LITTLE;
    tell(archive, (Some(name), true, 1), syntax, &set.encode(syntax))
}

fn change(archive: &Archive, name: &str, set: &DataSet) -> Result<Uid, StepErrorKind> {
    let syntax = Syntax::EXPLICIT_LITTLE;
    tell(archive, (Some(name), false, 1), syntax, &set.encode(syntax))
}

/// A step as it stands, with the version that counts.
fn stands(archive: &Archive, name: &str) -> (u64, PerformedStep) {
    let row = archive.db().subject(Kind::PerformedStep, name).unwrap().unwrap();
    let State::PerformedStep(step) = row.current.unwrap().state else { panic!("another kind") };
    (row.version.unwrap(), *step)
}

#[test]
fn a_step_is_begun_changed_and_closed_once() {
    let mut world = World::new(1);
    world.start().unwrap();
    let archive = world.archive();
    assert_eq!(change(archive, NAME, &now("COMPLETED", vec![])), Err(StepErrorKind::NotFound));
    assert_eq!(create(archive, NAME, &begun(&["1.2.3"], "A-1")), Ok(uid(NAME)));
    assert_eq!(create(archive, NAME, &begun(&["1.2.3"], "A-1")), Err(StepErrorKind::Exists));
    let (version, step) = stands(archive, NAME);
    assert_eq!((version, step.status, step.facility), (1, StepStatus::InProgress, 1));
    assert_eq!((step.station.as_str(), step.started.as_str()), ("CT-PHONG-1", "20260102 093000"));
    assert_eq!((step.scheduled[0].study.as_str(), step.scheduled[0].accession.as_str()), ("1.2.3", "A-1"));

    // Another facility's device is not told that there is one.
    let syntax = Syntax::EXPLICIT_LITTLE;
    let stranger = now("DISCONTINUED", vec![]).encode(syntax);
    assert_eq!(tell(archive, (Some(NAME), false, 2), syntax, &stranger), Err(StepErrorKind::NotFound));

    let two = vec![series("1.2.3.1", &["1.2.4.1", "1.2.4.2", "1.2.4.1"]), series("1.2.3.1", &["1.2.4.3"])];
    assert_eq!(change(archive, NAME, &now("IN PROGRESS", two)), Ok(uid(NAME)));
    let (version, step) = stands(archive, NAME);
    assert_eq!((version, step.series.len(), step.images()), (2, 1, 3), "one series, each picture once");
    // What is not told stays; what is told of the series takes the place of all of them.
    let mut done = now("COMPLETED", vec![series("1.2.3.2", &["1.2.4.9"])]);
    done.remove(steps::SCHEDULED);
    assert_eq!(change(archive, NAME, &done), Ok(uid(NAME)));
    let (version, step) = stands(archive, NAME);
    assert_eq!((version, step.status, step.images()), (3, StepStatus::Completed, 1));
    assert_eq!((step.station.as_str(), step.ended.as_str()), ("CT-PHONG-1", "20260102 094500.25"));
    assert_eq!(step.studies().len(), 1);
    for status in ["IN PROGRESS", "COMPLETED", "DISCONTINUED"] {
        assert_eq!(change(archive, NAME, &now(status, vec![])), Err(StepErrorKind::Closed));
    }
    assert_eq!(stands(archive, NAME).0, 3, "both N-CREATE and N-SET are kept, and nothing else");

    let stopped = DataSet::new()
        .with(k::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
        .with(steps::STATUS, "DISCONTINUED")
        .with(steps::DISCONTINUATION_REASON, DataSet::code("110507", "DCM", "Người bệnh từ chối"));
    create(archive, "1.2.826.7.2", &begun(&["1.2.5", "1.2.6"], "")).unwrap();
    change(archive, "1.2.826.7.2", &stopped).unwrap();
    let (_, step) = stands(archive, "1.2.826.7.2");
    assert_eq!((step.status, step.discontinued.as_str()), (StepStatus::Discontinued, "Người bệnh từ chối"));
}

#[test]
fn a_step_without_a_name_is_given_one() {
    let mut world = World::new(2);
    world.start().unwrap();
    let syntax = Syntax::DEFLATED;
    let set = begun(&["1.2.3"], "").encode(syntax);
    let made = |_| tell(world.archive(), (None, true, 1), syntax, &set).unwrap();
    let names: Vec<Uid> = (0..3).map(made).collect();
    assert!(names.iter().all(|name| name.as_str().starts_with("2.25.")), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2]);
    assert_eq!(change(world.archive(), names[0].as_str(), &now("COMPLETED", vec![])), Ok(names[0].clone()));
}

#[test]
fn what_is_missing_or_wrong_is_told_apart() {
    let mut world = World::new(3);
    world.start().unwrap();
    let archive = world.archive();
    let of = |change: &dyn Fn(&mut DataSet) -> &mut DataSet| {
        let mut set = begun(&["1.2.3"], "A-1");
        change(&mut set);
        create(archive, NAME, &set)
    };
    let no_study = || vec![DataSet::new().with(k::ACCESSION_NUMBER, "A-1")];
    let wrong_study = || vec![DataSet::new().with(k::STUDY_INSTANCE_UID, "1.2/3")];
    let nameless = || vec![DataSet::new().with(steps::IMAGES, vec![reference("1.2.4.1")])];
    let unnamed = || vec![DataSet::new()];
    assert_eq!(of(&|set| set.remove(steps::STATUS)), Err(StepErrorKind::Missing));
    assert_eq!(of(&|set| set.empty(steps::STATUS)), Err(StepErrorKind::Empty));
    for status in ["COMPLETED", "DISCONTINUED", "DONE"] {
        assert_eq!(of(&|set| set.put(steps::STATUS, status)), Err(StepErrorKind::Invalid), "{status}");
    }
    assert_eq!(of(&|set| set.remove(steps::SCHEDULED)), Err(StepErrorKind::Missing));
    assert_eq!(of(&|set| set.put(steps::SCHEDULED, unnamed())), Err(StepErrorKind::Missing));
    assert_eq!(of(&|set| set.put(steps::SCHEDULED, Vec::<DataSet>::new())), Err(StepErrorKind::Empty));
    assert_eq!(of(&|set| set.put(steps::SCHEDULED, no_study())), Err(StepErrorKind::Missing));
    assert_eq!(of(&|set| set.put(steps::SCHEDULED, wrong_study())), Err(StepErrorKind::Invalid));
    assert_eq!(of(&|set| set.put(steps::PERFORMED_SERIES, nameless())), Err(StepErrorKind::Missing));
    let pointless = || vec![series("1.2.3.1", &["x"])];
    assert_eq!(of(&|set| set.put(steps::PERFORMED_SERIES, pointless())), Err(StepErrorKind::Invalid));
    let blank = || vec![series("1.2.3.1", &[""])];
    assert_eq!(of(&|set| set.put(steps::PERFORMED_SERIES, blank())), Err(StepErrorKind::Missing));
    let series_text = Attribute::new(0x0040, 0x0340, Vr::Lo);
    let syntax = Syntax::EXPLICIT_LITTLE;
    let mut set = begun(&["1.2.3"], "");
    set.put(series_text, "no sequence");
    let bytes = set.encode(syntax);
    assert_eq!(tell(archive, (Some(NAME), true, 1), syntax, &bytes), Err(StepErrorKind::Invalid));
    assert_eq!(
        tell(archive, (Some(NAME), true, 1), syntax, &bytes[..bytes.len() - 3]),
        Err(StepErrorKind::DataSet)
    );
    assert!(archive.db().subject(Kind::PerformedStep, NAME).unwrap().is_none(), "nothing of it was kept");
    // Series of which nothing was made are no mistake.
    of(&|set| set.put(steps::PERFORMED_SERIES, unnamed())).unwrap();
}

/// One series with so many pictures of different names.
fn many(images: usize) -> Vec<DataSet> {
    let names: Vec<String> = (0..images).map(|n| format!("1.2.{n}")).collect();
    vec![series("1.2.3.1", &names.iter().map(String::as_str).collect::<Vec<_>>())]
}

#[test]
fn each_limit_holds_and_what_is_at_it_is_taken() {
    let mut world = World::new(4);
    world.start().unwrap();
    let archive = world.archive();
    create(archive, NAME, &begun(&["1.2.3"], "")).unwrap();
    let full = |n: usize| now("IN PROGRESS", many(n));
    assert_eq!(change(archive, NAME, &full(STEP_INSTANCES_MAX + 1)), Err(StepErrorKind::OutOfResources));
    change(archive, NAME, &full(STEP_INSTANCES_MAX)).unwrap();
    assert_eq!(stands(archive, NAME).1.images(), STEP_INSTANCES_MAX);
    let wide = |n: usize| {
        let all = (0..n).map(|n| series(&format!("1.3.{n}"), &[])).collect();
        now("IN PROGRESS", all)
    };
    assert_eq!(change(archive, NAME, &wide(STEP_SERIES_MAX + 1)), Err(StepErrorKind::OutOfResources));
    change(archive, NAME, &wide(STEP_SERIES_MAX)).unwrap();
    let studies: Vec<String> = (0..65).map(|n| format!("1.4.{n}")).collect();
    let studies: Vec<&str> = studies.iter().map(String::as_str).collect();
    assert_eq!(create(archive, "1.5.1", &begun(&studies, "")), Err(StepErrorKind::OutOfResources));
    create(archive, "1.5.1", &begun(&studies[..64], "")).unwrap();

    // Bytes: a private value that nobody needs, so long that the whole is as long as may be.
    let private = Attribute::new(0x0041, 0x1001, Vr::Ob);
    let syntax = Syntax::EXPLICIT_LITTLE;
    let least = begun(&["1.2.3"], "").with(private, vec![0_u8; 0]).encode(syntax).len();
    let most = STEP_BYTES_MAX as usize;
    for (length, outcome) in [(most, Ok(uid("1.5.2"))), (most + 2, Err(StepErrorKind::OutOfResources))] {
        let set = begun(&["1.2.3"], "").with(private, vec![0_u8; length - least]);
        let bytes = set.encode(syntax);
        assert_eq!(bytes.len(), length);
        let name = if outcome.is_ok() { "1.5.2" } else { "1.5.3" };
        assert_eq!(tell(archive, (Some(name), true, 1), syntax, &bytes), outcome);
    }
    // Depth, as for what is stored: 64 sequences within one another.
    for (depth, taken) in [(64, true), (65, false)] {
        let mut item = DataSet::new();
        for _ in 1..depth {
            item = DataSet::new().with(steps::SCHEDULED, item);
        }
        let mut set = begun(&["1.2.3"], "");
        set.put(Attribute::new(0x0040, 0x0275, Vr::Sq), item);
        let told = create(archive, &format!("1.6.{depth}"), &set);
        assert_eq!(told.is_ok(), taken, "{depth}: {told:?}");
        assert!(taken || told == Err(StepErrorKind::OutOfResources));
    }
}

#[test]
fn what_was_said_of_steps_outlives_the_power_and_the_index() {
    let mut rng = Rng::new(5);
    let mut world = World::new(5);
    world.start().unwrap();
    let all: Vec<_> =
        (0..4).map(|number| instance(9, Address { study: 1, series: 0, number }, 3000)).collect();
    let (study, of) = (all[0].study.clone(), all[0].series.clone());
    let images: Vec<&str> = all.iter().map(|one| one.sop_instance.as_str()).collect();
    // Half of the pictures come before the step is told, half after it.
    all[..2].iter().for_each(|one| drop(store(world.archive(), 1, one).unwrap()));
    create(world.archive(), NAME, &begun(&[&study], "A-1")).unwrap();
    change(world.archive(), NAME, &now("COMPLETED", vec![series(&of, &images)])).unwrap();
    let told = stands(world.archive(), NAME);
    world.power_loss(&mut rng);
    world.start().unwrap();
    assert_eq!(stands(world.archive(), NAME), told);
    assert_eq!(change(world.archive(), NAME, &now("IN PROGRESS", vec![])), Err(StepErrorKind::Closed));
    all[2..3].iter().for_each(|one| drop(store(world.archive(), 1, one).unwrap()));

    let seen = |world: &World| {
        let beside = world.archive().db().study_beside_steps(&uid(&study)).unwrap();
        assert_eq!(beside.homes[&uid(&of)].iter().map(Uid::as_str).collect::<Vec<_>>(), [study.as_str()]);
        (beside.steps, beside.served)
    };
    let before = seen(&world);
    assert_eq!((before.0.len(), before.1.len()), (1, 3));
    let again = world.archive().rebuild(&mut |_, _| {}).unwrap();
    assert_eq!((again.unindexable, again.gaps), (0, 0));
    assert_eq!(seen(&world), before);
    world.stop();
    crate::test_database::lose(&world.index());
    world.start().unwrap();
    assert_eq!(seen(&world), before);
    assert_eq!(stands(world.archive(), NAME), told);
}

#[test]
fn a_step_of_a_facility_that_has_nothing_of_the_study_is_not_its_step() {
    let mut world = World::new(6);
    world.start().unwrap();
    let archive = world.archive();
    let one = instance(9, Address { study: 1, series: 0, number: 0 }, 3000);
    let study = uid(&one.study);
    let syntax = Syntax::IMPLICIT_LITTLE;
    let set = begun(&[&one.study], "").encode(syntax);
    for (name, facility) in [("1.7.1", 1), ("1.7.2", 2), ("1.7.3", 0)] {
        tell(archive, (Some(name), true, facility), syntax, &set).unwrap();
    }
    let names = || archive.db().step_versions_of_study(&study).unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(names(), ["1.7.3"], "nobody has it yet");
    store(archive, 1, &one).unwrap();
    assert_eq!(names(), ["1.7.1", "1.7.3"]);
    store(archive, 2, &one).unwrap();
    assert_eq!(names(), ["1.7.1", "1.7.2", "1.7.3"]);
    // By a series that it made, whatever study it names.
    let elsewhere = begun(&["1.2.99"], "").with(steps::PERFORMED_SERIES, vec![series(&one.series, &["1.1"])]);
    create(archive, "1.7.4", &elsewhere).unwrap();
    assert_eq!(names().len(), 4);
}
