//! Records that no sender writes, in the layouts with a padding length in front.

use super::*;

/// Nothing at all, and what is too short for tag and padding length.
#[test]
fn legacy_bodies_without_a_whole_record_are_truncated() {
    for (schedule, least) in [(Schedule::Aesgcm, 18), (Schedule::Aesgcm128Bare, 17)] {
        let receiver = receiver_for(schedule);
        let message = seal(&receiver, &EncryptOptions::new(schedule), b"").unwrap();
        assert_eq!(message.body().len(), least);
        for octets in 0..least {
            let mut cut = message.clone();
            cut.body.truncate(octets);
            let error = decrypt(&PROVIDER, &receiver, &cut).unwrap_err();
            assert_eq!(error.code(), "body/truncated", "{schedule} {octets}");
        }
    }
}

/// A last record that is full was cut at a border (ee-03 §2); padding is zeros and ends within its record.
#[test]
fn crafted_legacy_records_are_refused_by_name() {
    for schedule in [Schedule::Aesgcm, Schedule::Aesgcm128AuthContext, Schedule::Aesgcm128Bare] {
        let receiver = receiver_for(schedule);
        let octets = schedule.layout().overhead();
        let craft = |rs: u64, records: &[Vec<u8>]| {
            let mut message = seal(&receiver, &EncryptOptions::new(schedule), b"").unwrap();
            let shared = PROVIDER.shared_secret(receiver.private(), message.sender_key()).unwrap();
            let keys = crate::decrypt::content_keys(&receiver, &message, &shared, |_, _| {});
            message.parameters.rs = rs;
            message.body.clear();
            for (number, record) in records.iter().enumerate() {
                let mut record = record.clone();
                record::seal_raw(&keys, number as u64, &mut record);
                message.body.extend_from_slice(&record);
            }
            decrypt(&PROVIDER, &receiver, &message)
                .map(|opened| opened.plaintext.clone())
                .map_err(|error| error.code())
        };
        // `padding` as length, then the octets as they are.
        let record = |padding: u8, rest: &[u8]| {
            let mut record = vec![0; octets - 1];
            record.push(padding);
            record.extend_from_slice(rest);
            record
        };
        let full = octets as u64 + 2;

        assert_eq!(craft(4096, &[record(2, b"\0\0ok")]).unwrap(), b"ok");
        assert_eq!(craft(4096, &[record(4, b"\0\0\0\0")]).unwrap(), b"");
        assert_eq!(craft(4096, &[record(5, b"\0\0\0\0")]), Err("aesgcm/padding"));
        assert_eq!(craft(4096, &[record(2, b"\0\x01ok")]), Err("aesgcm/padding"));
        assert_eq!(craft(4096, &[record(2, b"\x01\0ok")]), Err("aesgcm/padding"));
        assert_eq!(craft(full, &[record(0, b"ab")]), Err("aesgcm/last-record-full"));
        assert_eq!(craft(full, &[record(0, b"ab"), record(0, b"cd")]), Err("aesgcm/last-record-full"));
        assert_eq!(craft(full, &[record(0, b"ab"), record(0, b"c")]).unwrap(), b"abc");
        assert_eq!(craft(full, &[record(0, b"ab"), record(0, b"")]).unwrap(), b"ab");
        assert_eq!(craft(full - 1, &[record(0, b"ab"), record(0, b"c")]), Err("decrypt/failed"));
    }
}
