//! Names, addresses, contents and SOAs of any text.

use super::{fuzz::text, *};
use proptest::prelude::*;
use std::net::IpAddr;

/// What a name is, whoever has chosen the text.
fn is_sound(name: &OwnerName) -> bool {
    let text = name.as_str();
    let labels = || text.split('.');
    text.len() <= 253
        && labels().all(|label| (1..=63).contains(&label.len()))
        && text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && !b"\\\"".contains(&b))
        && name.depth() == labels().count()
        && labels().next() == Some(name.first_label())
}

fn is_host(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

proptest! {
    #[test]
    fn a_text_is_a_name_that_reads_back_or_none(text in text()) {
        for name in [OwnerName::parse(&text), OwnerName::stored(&text), OwnerName::host(&text)]
            .into_iter()
            .flatten()
        {
            prop_assert!(is_sound(&name), "{name}");
            prop_assert_eq!(OwnerName::stored(name.as_str()), Ok(name.clone()));
            prop_assert_eq!(OwnerName::parse(&format!("{name}.")), Ok(name.clone()));
            // No other text than the same in another case, with or without the final dot.
            prop_assert_eq!(text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase(), name.as_str());
            prop_assert!(name.is_within(name.as_str()));
            for above in name.ancestors_below("org") {
                prop_assert!(name.is_within(above) && OwnerName::stored(above).unwrap().is_within("org"));
            }
            if let Some(address) = address_of(&name) {
                prop_assert_eq!(reverse_name(address), name);
            }
        }
        if let Ok(name) = OwnerName::host(&text) {
            prop_assert!(name.as_str().split('.').all(is_host), "{name}");
        }
    }

    #[test]
    fn a_label_is_one_label_and_under_a_suffix_the_first_one(label in text(), suffix in text()) {
        let Ok(label) = Label::parse(&label) else { return Ok(()) };
        prop_assert!(is_host(label.as_str()) && label.as_str().len() <= 63, "{label}");
        if let Ok(suffix) = OwnerName::host(&suffix) {
            match label.at(&suffix) {
                Ok(name) => {
                    prop_assert!(is_sound(&name) && name.is_within(suffix.as_str()), "{name}");
                    prop_assert_eq!(name.first_label(), label.as_str());
                    prop_assert_eq!(name.parent(), Some(suffix));
                }
                Err(error) => prop_assert_eq!(error, NameError::LongName),
            }
        }
    }

    #[test]
    fn every_address_has_a_reverse_name_that_tells_it(address: IpAddr) {
        prop_assert!(is_sound(&reverse_name(address)));
        prop_assert_eq!(address_of(&reverse_name(address)), Some(address));
        let (rtype, content) = match address {
            IpAddr::V4(_) => (RecordType::A, Content::from(address)),
            IpAddr::V6(_) => (RecordType::Aaaa, Content::from(address)),
        };
        prop_assert_eq!(Content::read(&rtype, &content.to_string()), content.clone());
        prop_assert_eq!(content.address(), Some(address));
    }

    #[test]
    fn contents_read_and_print_the_same_text(kind in text(), content in text()) {
        for rtype in [RecordType::A, RecordType::Aaaa, RecordType::Ptr, RecordType::read(Some(&kind))] {
            let read = Content::read(&rtype, &content);
            prop_assert_eq!(read.to_string(), content.clone());
            let _ = read.address();
            prop_assert_eq!(RecordType::read(Some(rtype.as_str())), rtype);
        }
    }

    #[test]
    fn ids_are_read_from_uuids_alone(text in text(), id: u128) {
        let id = VmId::from_u128(id);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        if let Ok(id) = text.parse::<VmId>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_soa_moves_in_its_serial_and_nothing_else(
        fields in prop::collection::vec(prop_oneof![3 => any::<u32>().prop_map(|n| n.to_string()), 1 => text()], 2..9),
        between in prop::sample::select(&[" ", "  ", "\t", "\n", ".", "\u{a0}"][..]),
        kind in 0..5_usize,
        times in any::<(u32, u32, u32)>(),
        floor in any::<Option<u32>>(),
    ) {
        let text = fields.join(between);
        let Ok(soa) = SoaContent::parse(&text) else { return Ok(()) };
        prop_assert_eq!(soa.as_str(), text.as_str());
        let kinds = [
            SerialKind::Default,
            SerialKind::Increase,
            SerialKind::Epoch,
            SerialKind::WeekDay,
            SerialKind::WeekEpoch,
        ];
        let time = SerialTime { today: times.0, week_day: times.1, seconds: times.2 };
        let moved = soa.moved(kinds[kind], time, floor.map(Serial));
        prop_assert!(moved.serial().is_after(soa.serial()) || floor.is_some(), "{moved:?}");
        prop_assert_eq!(SoaContent::parse(moved.as_str()), Ok(moved.clone()));
        let (old, new): (Vec<&str>, Vec<&str>) =
            (soa.as_str().split_ascii_whitespace().collect(), moved.as_str().split_ascii_whitespace().collect());
        prop_assert_eq!((old.len(), new.len()), (7, 7));
        for at in [0, 1, 3, 4, 5, 6] {
            prop_assert_eq!(old[at], new[at]);
        }
    }
}
