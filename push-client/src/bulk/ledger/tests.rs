//! Resuming after every kind of crash, on a disk in memory that can be full, cut, altered, and lose what was not synced.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::{record::INDEX_END, *};

/// A segment, and how much of it is durable.
#[derive(Clone, Default)]
struct File {
    octets: Vec<u8>,
    durable: usize,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u32, File>,
    current: u32,
    /// Octets that still fit.
    room: Option<usize>,
}

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    fn segment(&self, segment: u32) -> Vec<u8> {
        self.with(|state| state.files[&segment].octets.clone())
    }

    /// A copy on which a segment has other octets.
    fn altered(&self, segment: u32, octets: Vec<u8>) -> Self {
        let files = self.with(|state| state.files.clone());
        let copy = Self::default();
        copy.with(|state| state.files = files);
        copy.with(|state| state.files.get_mut(&segment).unwrap().octets = octets);
        copy
    }

    fn lose_power(&self) {
        self.with(|state| state.files.values_mut().for_each(|file| file.octets.truncate(file.durable)));
    }
}

impl Storage for Memory {
    type Flush = Box<dyn FnOnce() -> io::Result<()> + Send>;

    fn segments(&self) -> io::Result<Vec<u32>> {
        Ok(self.with(|state| state.files.keys().copied().collect()))
    }

    fn read(&self, segment: u32) -> io::Result<impl io::Read> {
        Ok(io::Cursor::new(self.segment(segment)))
    }

    fn create(&mut self, segment: u32) -> io::Result<()> {
        self.with(|state| {
            state.files.insert(segment, File::default());
            state.current = segment;
        });
        Ok(())
    }

    fn resume(&mut self, segment: u32, octets: u64) -> io::Result<()> {
        self.with(|state| {
            state.current = segment;
            state.files.get_mut(&segment).unwrap().octets.truncate(octets as usize);
        });
        Ok(())
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let fits = state.room.map_or(octets.len(), |room| room.min(octets.len()));
            state.room = state.room.map(|room| room - fits);
            let file = state.files.get_mut(&state.current).unwrap();
            file.octets.extend(&octets[..fits]);
            if fits == octets.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
    }

    fn flush(&self) -> io::Result<Self::Flush> {
        let (disk, segment) = (self.clone(), self.with(|state| state.current));
        let reach = self.segment(segment).len();
        Ok(Box::new(move || {
            disk.with(|state| state.files.get_mut(&segment).unwrap().durable = reach);
            Ok(())
        }))
    }
}

const LINES: u64 = 100;

fn run() -> Run {
    Run { input: Digest([1; 32]), options: Digest([2; 32]), lines: LINES }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_800_000_000_000 + millis)
}

/// Segments of so many records.
fn open_with(records: u64, disk: &Memory) -> Result<Ledger<Memory>, LedgerError> {
    Ledger::with_segments_of(HEADER as u64 + records * OCTETS as u64, disk.clone(), &run(), at(0))
}

fn open(disk: &Memory) -> Result<Ledger<Memory>, LedgerError> {
    open_with(1 << 20, disk)
}

fn accepted(index: u64) -> Entry {
    Entry { index, ended: Ended::Accepted, status: 201, attempts: 1 }
}

fn claim(ledger: &mut Ledger<Memory>, first: u64, count: u16) -> Result<(), LedgerError> {
    let synced = ledger.claim(first, count, at(1))?.run();
    ledger.synced(synced, at(2))
}

/// Two blocks of ten claimed, three ends of the first and one of the second written.
fn small(disk: &Memory) -> Ledger<Memory> {
    let mut ledger = open(disk).unwrap();
    claim(&mut ledger, 0, 10).unwrap();
    for index in [3, 1, 2] {
        ledger.record(accepted(index), at(3));
    }
    claim(&mut ledger, 10, 10).unwrap();
    ledger.record(accepted(11), at(4));
    ledger.write().unwrap();
    ledger
}

fn states(progress: &Progress) -> Vec<Earlier> {
    (0..LINES).map(|index| progress.of(index)).collect()
}

#[test]
fn what_was_written_is_known_after_a_crash() {
    let disk = Memory::default();
    drop(small(&disk));

    let ledger = open(&disk).unwrap();

    let progress = ledger.progress();
    assert!(progress.is_resumed());
    assert_eq!((progress.total(), progress.count(Ended::Accepted)), (4, 4));
    for index in 0..LINES {
        let expected = match index {
            1..=3 | 11 => Earlier::Ended,
            0..=19 => Earlier::Ambiguous,
            _ => Earlier::Untouched,
        };
        assert_eq!(progress.of(index), expected, "{index}");
    }
}

#[test]
fn a_loss_of_power_costs_ends_but_never_a_claim() {
    let disk = Memory::default();
    drop(small(&disk));
    disk.lose_power();

    let ledger = open(&disk).unwrap();

    // The end of line 11 was not synced; the claim of its block was.
    assert_eq!(ledger.progress().total(), 3);
    assert_eq!(ledger.progress().of(11), Earlier::Ambiguous);
}

#[test]
fn after_an_orderly_end_nothing_is_ambiguous() {
    let disk = Memory::default();
    let mut ledger = small(&disk);
    ledger.settle(at(5)).unwrap();
    drop(ledger);
    disk.lose_power();

    let ledger = open(&disk).unwrap();

    assert_eq!(ledger.progress().total(), 4);
    assert!(states(ledger.progress()).iter().all(|state| *state != Earlier::Ambiguous));
}

#[test]
fn a_ledger_goes_on_over_many_runs_and_segments() {
    let disk = Memory::default();
    for run in 0..10 {
        let mut ledger = open_with(8, &disk).unwrap();
        assert_eq!(ledger.progress().total(), run * 10);
        claim(&mut ledger, run * 10, 10).unwrap();
        for index in run * 10..run * 10 + 10 {
            assert_eq!(ledger.progress().of(index), Earlier::Untouched);
            ledger.record(accepted(index), at(run));
            ledger.write().unwrap();
        }
        // A crash.
        drop(ledger);
    }

    let ledger = open_with(8, &disk).unwrap();
    assert_eq!(ledger.progress().total(), 100);
    assert!(disk.segments().unwrap().len() > 10);
    for segment in disk.segments().unwrap() {
        assert!(disk.segment(segment).len() <= HEADER + 9 * OCTETS);
    }
}

#[test]
fn every_truncation_resumes_with_what_is_left() {
    let disk = Memory::default();
    drop(small(&disk));
    let whole = disk.segment(0);

    let mut before = 0;
    for length in 0..=whole.len() {
        let cut = disk.altered(0, whole[..length].to_vec());
        let mut ledger = open(&cut).unwrap();
        let total = ledger.progress().total();
        assert!(total >= before && total <= 4, "{length}: {total}");
        before = total;
        // Whatever is left can be gone on with, and holds after that.
        let states = states(ledger.progress());
        claim(&mut ledger, 50, 10).unwrap();
        ledger.record(accepted(50), at(9));
        ledger.settle(at(9)).unwrap();
        drop(ledger);
        let ledger = open(&cut).unwrap();
        assert_eq!(ledger.progress().total(), total + 1, "{length}");
        for (index, state) in states.iter().enumerate().filter(|(_, state)| **state == Earlier::Ended) {
            assert_eq!(ledger.progress().of(index as u64), *state, "{length}");
        }
    }
    assert_eq!(before, 4);
}

#[test]
fn a_truncated_segment_before_the_last_is_damage() {
    let disk = Memory::default();
    let mut ledger = open_with(4, &disk).unwrap();
    for index in 0..20 {
        ledger.record(accepted(index), at(1));
        ledger.write().unwrap();
    }
    drop(ledger);
    let whole = disk.segment(1);

    for length in 0..whole.len() {
        let error = open_with(4, &disk.altered(1, whole[..length].to_vec())).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{length}: {error}");
    }
    disk.with(|state| state.files.remove(&1));
    let error = open_with(4, &disk).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { segment: 1, record: None }), "{error}");
}

#[test]
fn a_wrong_octet_among_what_was_synced_is_damage_and_behind_it_a_torn_tail() {
    let disk = Memory::default();
    drop(small(&disk));
    let whole = disk.segment(0);
    let before = states(open(&disk).unwrap().progress());
    // claim, synced, 3 ends, claim | synced, end: the last promise reaches over six records.
    let synced = HEADER + 6 * OCTETS;

    for place in 0..whole.len() {
        let mut octets = whole.clone();
        octets[place] ^= 0x10;
        let opened = open(&disk.altered(0, octets));
        if place < synced {
            let error = opened.unwrap_err();
            let expected = matches!(error, LedgerError::Damaged { segment: 0, .. });
            assert!(expected || place < 4 && matches!(error, LedgerError::NotALedger), "{place}: {error}");
        } else {
            let found = states(opened.unwrap().progress());
            // Line 11 has ended or may have been sent: it is never untouched.
            assert_eq!((&found[..11], &found[12..]), (&before[..11], &before[12..]), "{place}");
            assert_eq!(found[11], Earlier::Ambiguous, "{place}");
        }
    }
}

#[test]
fn damage_is_named_with_what_to_do() {
    let disk = Memory::default();
    drop(small(&disk));
    let mut octets = disk.segment(0);
    octets[HEADER + 2 * OCTETS + 5] ^= 1;

    let error = open(&disk.altered(0, octets)).unwrap_err();

    assert_eq!(
        error.to_string(),
        "segment 0 of the ledger is damaged at record 2; \
         restore it from a copy, or remove the ledger and send to everybody again"
    );
}

#[test]
fn a_ledger_of_something_else_is_refused_by_name() {
    let disk = Memory::default();
    drop(small(&disk));
    let open = |run: Run| Ledger::with_storage(disk.clone(), &run, at(0)).map(|_| ());

    assert!(matches!(open(Run { input: Digest([9; 32]), ..run() }), Err(LedgerError::OtherInput)));
    assert!(matches!(open(Run { lines: 101, ..run() }), Err(LedgerError::OtherInput)));
    assert!(matches!(open(Run { options: Digest([9; 32]), ..run() }), Err(LedgerError::OtherOptions)));
    assert!(matches!(open(Run { lines: INDEX_END + 1, ..run() }), Err(LedgerError::TooManyLines)));
    assert!(open(run()).is_ok());
}

#[test]
fn a_record_beyond_the_input_is_damage() {
    let disk = Memory::default();
    let mut ledger = open(&disk).unwrap();
    ledger.record(accepted(LINES - 1), at(1));
    ledger.record(accepted(LINES), at(1));
    ledger.write().unwrap();
    drop(ledger);

    let error = open(&disk).unwrap_err();

    assert!(matches!(error, LedgerError::Damaged { segment: 0, record: Some(1) }), "{error}");
}

#[test]
fn groups_are_synced_after_200_ms_or_4_096_records() {
    let mut ledger = open(&Memory::default()).unwrap();
    assert!(!ledger.is_sync_due(at(1_000_000)));

    ledger.record(accepted(0), at(1000));
    assert!(!ledger.is_sync_due(at(1199)));
    assert!(ledger.is_sync_due(at(1200)));

    for index in 1..4095 {
        ledger.record(accepted(index % LINES), at(1000));
    }
    assert!(!ledger.is_sync_due(at(1000)));
    ledger.record(accepted(1), at(1000));
    assert!(ledger.is_sync_due(at(1000)));

    let synced = ledger.sync().unwrap().run();
    ledger.synced(synced, at(1000)).unwrap();
    assert!(!ledger.is_sync_due(at(1_000_000)), "a promise alone needs no sync");
}

#[test]
fn a_full_disk_stops_the_run_wherever_it_fills_and_loses_nothing() {
    let disk = Memory::default();
    small(&disk).settle(at(5)).unwrap();
    let whole = disk.segment(0).len();

    for room in 0..whole {
        let disk = Memory::default();
        disk.with(|state| state.room = Some(room));
        let mut noted = Vec::new();
        let mut fill = || -> Result<(), LedgerError> {
            let mut ledger = open(&disk)?;
            let result = (|| {
                for block in 0..2 {
                    claim(&mut ledger, block * 10, 10)?;
                    for index in block * 10..block * 10 + 3 {
                        ledger.record(accepted(index), at(3));
                        ledger.write()?;
                        noted.push(index);
                    }
                }
                ledger.settle(at(5))
            })();
            if result.is_err() {
                // Once it has failed, nothing more is written that could follow a torn record.
                assert!(matches!(ledger.write(), Err(LedgerError::Stopped)));
                assert!(ledger.claim(50, 1, at(6)).is_err());
            }
            result
        };
        let Err(error) = fill() else { continue };
        assert!(error.is_full(), "{room}: {error}");
        assert!(error.to_string().starts_with("the disk has no space for the ledger; make some"));

        disk.with(|state| state.room = None);
        let ledger = open(&disk).unwrap();
        assert_eq!(ledger.progress().total(), noted.len() as u64, "{room}");
        assert!(noted.iter().all(|index| ledger.progress().of(*index) == Earlier::Ended), "{room}");
    }
}

#[test]
fn a_sync_that_failed_is_never_tried_again() {
    let mut ledger = open(&Memory::default()).unwrap();
    let sync = ledger.claim(0, 10, at(1)).unwrap();
    let failed = Synced { result: Err(io::Error::other("I/O error")), ..sync.run() };

    assert!(matches!(ledger.synced(failed, at(2)), Err(LedgerError::Io { what: "sync", .. })));
    assert!(matches!(ledger.sync().map(|_| ()), Err(LedgerError::Stopped)));
    assert!(matches!(ledger.settle(at(3)), Err(LedgerError::Stopped)));
}

#[test]
fn a_sync_of_an_earlier_segment_promises_nothing_about_this_one() {
    let disk = Memory::default();
    let mut ledger = open_with(4, &disk).unwrap();
    ledger.record(accepted(0), at(1));
    let sync = ledger.sync().unwrap();
    for index in 1..6 {
        ledger.record(accepted(index), at(1));
        ledger.write().unwrap();
    }
    let synced = sync.run();
    ledger.synced(synced, at(2)).unwrap();
    drop(ledger);
    // The last record is cut in the middle: a torn tail, since nothing promised it.
    let mut octets = disk.segment(1);
    octets.pop();

    assert_eq!(open_with(4, &disk.altered(1, octets)).unwrap().progress().total(), 5);
}

#[test]
fn a_directory_is_used_by_one_process_and_holds_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b.ledger");

    let mut ledger = Ledger::open(&path, &run(), at(0)).unwrap();
    let synced = ledger.claim(0, 10, at(1)).unwrap().run();
    ledger.synced(synced, at(1)).unwrap();
    ledger.record(accepted(4), at(1));
    ledger.write().unwrap();
    assert!(matches!(Ledger::open(&path, &run(), at(0)), Err(LedgerError::InUse)));
    drop(ledger);
    // The rest of a record that a crash has cut.
    let mut octets = std::fs::read(path.join("000000.wpl")).unwrap();
    octets.extend([1, 2, 3]);
    std::fs::write(path.join("000000.wpl"), octets).unwrap();
    let mut ledger = Ledger::open(&path, &run(), at(0)).unwrap();
    assert_eq!(ledger.progress().total(), 1);
    ledger.settle(at(2)).unwrap();
    drop(ledger);
    assert_eq!(Ledger::open(&path, &run(), at(0)).unwrap().progress().total(), 1);

    std::fs::write(path.join("notes.txt"), "x").unwrap();
    assert!(matches!(Ledger::open(&path, &run(), at(0)), Err(LedgerError::NotALedger)));
    let file = home.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Ledger::open(&file, &run(), at(0)), Err(LedgerError::NotALedger)));
}

/// What a run may do.
#[derive(Clone, Debug)]
enum Step {
    Claim,
    Crash,
    End(u64),
    LosePower,
    Settle,
    Sync,
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Claim),
        1 => Just(Step::Crash),
        8 => (0..LINES).prop_map(Step::End),
        1 => Just(Step::LosePower),
        1 => Just(Step::Settle),
        1 => Just(Step::Sync),
        1 => Just(Step::Write),
    ]
}

proptest! {
    /// Against a model: what is claimed, what was noted, what was written, and what was synced.
    #[test]
    fn no_sequence_of_runs_and_crashes_loses_what_was_promised(
        steps in proptest::collection::vec(step(), 0..80),
        records in 1_u64..40,
    ) {
        let disk = Memory::default();
        let mut ledger = open_with(records, &disk).unwrap();
        let (mut claimed, mut noted) = (0, Vec::new());
        let (mut written, mut durable) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Claim if claimed < LINES => {
                    claim(&mut ledger, claimed, 10).unwrap();
                    claimed += 10;
                    written.append(&mut noted);
                    durable.clone_from(&written);
                }
                Step::End(index) if index < claimed && ledger.progress().of(index) != Earlier::Ended => {
                    ledger.record(accepted(index), at(1));
                    noted.push(index);
                }
                Step::Write => {
                    ledger.write().unwrap();
                    written.append(&mut noted);
                }
                Step::Sync => {
                    let synced = ledger.sync().unwrap().run();
                    ledger.synced(synced, at(2)).unwrap();
                    written.append(&mut noted);
                    durable.clone_from(&written);
                }
                Step::Settle => {
                    ledger.settle(at(3)).unwrap();
                    written.append(&mut noted);
                    durable.clone_from(&written);
                    claimed = 0;
                }
                Step::Crash | Step::LosePower => {
                    drop(ledger);
                    noted.clear();
                    if matches!(step, Step::LosePower) {
                        disk.lose_power();
                    }
                    ledger = open_with(records, &disk).unwrap();
                    let least = if matches!(step, Step::LosePower) { &durable } else { &written };
                    for index in 0..LINES {
                        let found = ledger.progress().of(index);
                        prop_assert!(found == Earlier::Ended || !least.contains(&index), "{} is forgotten", index);
                        prop_assert!(found != Earlier::Ended || written.contains(&index), "{} is invented", index);
                        prop_assert!(found != Earlier::Untouched || index >= claimed, "{} may be sent", index);
                    }
                    written.retain(|index| ledger.progress().of(*index) == Earlier::Ended);
                    durable.clone_from(&written);
                }
                Step::Claim | Step::End(_) => {}
            }
        }
    }

    #[test]
    fn any_octets_are_opened_or_refused(octets: Vec<u8>, cut in 0_usize..400) {
        let disk = Memory::default();
        drop(small(&disk));
        let mut mixed = disk.segment(0);
        mixed.truncate(cut);
        mixed.extend(octets);

        let _ = open(&disk.altered(0, mixed));
    }
}
