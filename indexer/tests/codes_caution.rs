//! Where a wrong answer would do harm: contrast that is denied, sides that disagree, two kinds of examination in one
//! text, codes against texts, names of persons, machines that nobody told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::sync::LazyLock;

use indexer::codes::choice::side::Side;
use indexer::codes::{Catalogue, Mapping, OrderedCode, Outcome, Rules, StudyFacts, map};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::built_in);
static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::built_in(&CATALOGUE));

fn mapped(facts: &StudyFacts) -> Mapping {
    map(facts, &CATALOGUE, &RULES)
}

/// A study of known machines with that text.
fn study(modality: &str, text: &str, body_part: &str) -> StudyFacts {
    StudyFacts {
        modality: modality.to_owned(),
        study_description: text.to_owned(),
        body_part: body_part.to_owned(),
        scanner: "SOMATOM Emotion 16".to_owned(),
        field_strength_t: Some(1.5),
        ..StudyFacts::default()
    }
}

fn techniques(modality: &str, text: &str, body_part: &str) -> Vec<String> {
    mapped(&study(modality, text, body_part)).techniques
}

fn unaccented(text: &str) -> String {
    let letters = text.nfd().filter(|letter| !unicode_normalization::char::is_combining_mark(*letter));
    letters
        .map(|letter| match letter {
            'đ' => 'd',
            'Đ' => 'D',
            other => other,
        })
        .collect()
}

/// Examinations whose technique depends on contrast.
const EXAMINATIONS: [(&str, &str); 6] = [
    ("CT", "CT sọ não"),
    ("CT", "CLVT lồng ngực"),
    ("CT", "CT cột sống thắt lưng"),
    ("CT", "CT khớp gối P"),
    ("MR", "MRI sọ não"),
    ("MR", "CHT cột sống cổ"),
];
/// Contrast, as it is written.
const AGENTS: [&str; 6] =
    ["thuốc", "cản quang", "thuốc cản quang", "tiêm thuốc", "tiêm thuốc cản quang", "contrast"];
/// How it is denied, `*` standing for the contrast.
const DENIALS: [&str; 12] = [
    "không *",
    "ko *",
    "không có *",
    "không dùng *",
    "không sử dụng *",
    "chưa có *",
    "no *",
    "without *",
    "*: không",
    "* (-)",
    "không * (dị ứng)",
    "(không *)",
];
/// How it is affirmed.
const AFFIRMATIONS: [&str; 9] = [
    "có *",
    "có dùng *",
    "with *",
    "*: có",
    "* (+)",
    "(có *)",
    "không và có *",
    "trước và sau *",
    "without and with *",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn contrast_is_denied_and_affirmed_in_any_order_of_words(
        examination in prop::sample::select(EXAMINATIONS.to_vec()),
        agent in prop::sample::select(AGENTS.to_vec()),
        denied in any::<bool>(),
        wording in any::<prop::sample::Index>(),
        before in any::<bool>(),
        bare in any::<bool>(),
        upper in any::<bool>(),
    ) {
        let words = if denied { wording.get(&DENIALS) } else { wording.get(&AFFIRMATIONS) };
        let (modality, exam) = examination;
        let words = words.replace('*', agent);
        let text = if before { format!("{words} {exam}") } else { format!("{exam} {words}") };
        let text = if bare { unaccented(&text) } else { text };
        let text = if upper { text.to_uppercase() } else { text };
        let mapping = mapped(&study(modality, &text, ""));
        prop_assert_eq!(mapping.contrast, Some(!denied), "{:?}: {}", text, mapping.why_cell());
        let plain = techniques(modality, exam, "");
        prop_assert_eq!(mapping.outcome, Outcome::Assigned, "{:?}: {}", text, mapping.why_cell());
        prop_assert_eq!(mapping.techniques == plain, denied, "{:?}: {}", text, mapping.why_cell());
    }

    #[test]
    fn a_text_that_names_two_kinds_of_examination_is_not_one(
        first in prop::sample::select(vec!["CT sọ não", "CLVT ngực", "MSCT bụng"]),
        second in prop::sample::select(vec!["MRI khớp gối", "X-quang ngực thẳng", "siêu âm bụng", "CHT CSTL"]),
        joint in prop::sample::select(vec![" + ", ", ", " - ", " và ", "; ", " "]),
        turned in any::<bool>(),
    ) {
        let text = if turned { format!("{second}{joint}{first}") } else { format!("{first}{joint}{second}") };
        for modality in ["CT", "MR", "DX", "US"] {
            let mapping = mapped(&study(modality, &text, ""));
            prop_assert_eq!(mapping.techniques, Vec::<String>::new(), "{} {:?}", modality, text);
        }
    }

    #[test]
    fn sides_that_disagree_give_none(
        region in prop::sample::select(vec![("gối", "KNEE"), ("khớp vai", "SHOULDER"), ("cổ tay", "WRIST")]),
        left in any::<bool>(),
        of_series in any::<bool>(),
    ) {
        let side = |left: bool| if left { ("trái", "L", "LEFT") } else { ("phải", "R", "RIGHT") };
        let (told, other) = (side(left), side(!left));
        let mut facts = study("DX", &format!("XQ {} {}", region.0, told.0), region.1);
        prop_assert_eq!(mapped(&facts).laterality.map(Side::letter), Some(told.1));
        if of_series {
            facts.series_descriptions = vec![format!("{} {}", region.1, other.2)];
        } else {
            facts.laterality = other.1.to_owned();
        }
        prop_assert_eq!(mapped(&facts).laterality, None, "{:?}", facts);
    }

    #[test]
    fn a_side_of_the_reason_is_not_that_of_the_examination(
        reason in prop::sample::select(vec!["(gãy xương đùi *)", "sau té bên *", "TD u *", "(mổ thay khớp *)"]),
        left in any::<bool>(),
    ) {
        let (one, other) = if left { ("T", "P") } else { ("P", "T") };
        let text = format!("XQ khớp gối {one} {}", reason.replace('*', other));
        let mapping = mapped(&study("DX", &text, "KNEE"));
        prop_assert_eq!(mapping.laterality.map(Side::letter), Some(if left { "L" } else { "R" }), "{:?}", text);
        prop_assert_eq!(mapping.techniques, vec!["18.112"]);
    }
}

#[test]
fn contrast_that_is_asked_for_or_differs_waits_for_a_person() {
    for text in ["CT ngực có tiêm không", "CT ngực không tiêm, bụng có tiêm", "CTA mạch não không tiêm"]
    {
        let mapping = mapped(&study("CT", text, ""));
        assert_eq!(mapping.outcome, Outcome::Review, "{text}: {}", mapping.why_cell());
        assert!(!mapping.candidates.is_empty(), "{text}: {}", mapping.why_cell());
    }
    // What was acquired decides.
    let facts = StudyFacts {
        contrast_agent: "Ultravist 300".to_owned(),
        ..study("CT", "CT ngực có tiêm không", "")
    };
    assert_eq!(mapped(&facts).techniques, ["18.192"]);
    // What is drunk is no contrast of the blood, and a stone that is seen is none at all.
    assert_eq!(techniques("CT", "CT ngực, uống thuốc cản quang", ""), ["18.191"]);
    assert_eq!(techniques("DX", "Bụng tìm dị vật cản quang", "ABDOMEN"), ["18.125"]);
    assert_eq!(techniques("DX", "Chụp bụng có cản quang", "ABDOMEN"), Vec::<String>::new());
    // `Cổ không thuốc` is a neck without, not with and without.
    assert_eq!(techniques("CT", "CT cột sống cổ không thuốc", ""), ["18.255"]);
}

#[test]
fn ways_of_examining_are_those_of_their_own_part_of_a_text() {
    assert_eq!(techniques("MR", "MRI brain + MRA carotid", ""), ["18.296", "18.300"]);
    assert_eq!(techniques("MR", "MRI sọ não", ""), ["18.296"]);
    assert_eq!(techniques("CT", "CTA não, cảnh", ""), techniques("CT", "CTA cảnh, não", ""));
    // Vessels of a region that has no such examination, and perfusion that none was named for, are not the plain one.
    for text in ["CTA chest", "CTV chi dưới", "CT tưới máu"] {
        assert_eq!(techniques("CT", text, ""), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_code_against_the_text_or_the_pictures_is_not_assigned() {
    let chest = OrderedCode {
        value: "18.0119.0028".to_owned(),
        scheme: "99VNBHYT".to_owned(),
        meaning: "Chụp X-quang ngực thẳng".to_owned(),
    };
    let with_code = |text: &str| {
        let facts = StudyFacts { codes: vec![chest.clone()], ..study("DX", text, "") };
        mapped(&facts)
    };
    assert_eq!(with_code("").techniques, ["18.119"]);
    assert_eq!(with_code("XQ ngực thẳng").techniques, ["18.119"]);
    for text in ["XQ khớp gối P", "CLVT lồng ngực", "X-quang ngực + CT sọ não"] {
        let mapping = with_code(text);
        assert_eq!(mapping.techniques, Vec::<String>::new(), "{text}: {}", mapping.why_cell());
    }
}

#[test]
fn a_limb_as_a_whole_is_no_bone_of_it() {
    for (modality, text, body_part) in [
        ("DX", "XQ tay P", "ARM"),
        ("DX", "XQ chân T", "LEG"),
        ("CT", "CT tay T", "EXTREMITY"),
        ("MR", "MRI chân P", "LEG"),
    ] {
        assert_eq!(techniques(modality, text, body_part), Vec::<String>::new(), "{text}");
    }
    assert_eq!(techniques("DX", "XQ chân T", "ANKLE"), ["18.115"]);
}

#[test]
fn words_that_are_others_without_their_marks_name_nothing_alone() {
    for (modality, text, body_part) in [
        ("MR", "MRI cổ", ""),
        ("US", "SA lung", ""),
        ("DX", "KHAM SUC KHOE HANG B2", ""),
        ("CT", "CT co", "NECK"),
    ] {
        assert_eq!(techniques(modality, text, body_part), Vec::<String>::new(), "{text}");
    }
    for (modality, text, body_part, want) in [
        ("DX", "KSK lai xe hang C - tim phoi", "CHEST", "18.119"),
        ("DX", "Tim phoi, tai kham lao", "CHEST", "18.119"),
        ("DX", "DAU DAU GOI P", "KNEE", "18.112"),
        ("DX", "Hoang Van Tim - goi P", "KNEE", "18.112"),
        ("DX", "Nguyễn Thị Nga XQ háng T", "HIP", "18.109"),
        ("US", "SA thai Nguyen Thi Tim", "", "18.20"),
        ("CT", "CT bung (suy than)", "ABDOMEN", "18.219"),
        ("MR", "MRI co dui T", "THIGH", "18.345"),
    ] {
        assert_eq!(techniques(modality, text, body_part), [want], "{text}");
    }
}

#[test]
fn a_machine_that_nobody_told_leaves_the_service_open() {
    let known = study("CT", "CLVT sọ não không tiêm thuốc", "HEAD");
    let mapping = mapped(&known);
    assert_eq!((mapping.techniques, mapping.machine_assumed), (vec!["18.149".to_owned()], false));
    assert_eq!(mapping.service.as_deref(), Some("18.0149.0040"));

    let mapping = mapped(&StudyFacts { scanner: String::new(), ..known });
    assert_eq!((&mapping.techniques[..], mapping.machine_assumed), (&["18.149".to_owned()][..], true));
    assert_eq!(mapping.service, None, "{:?}", mapping.service_candidates);
    assert_eq!(mapping.service_candidates.first().map(String::as_str), Some("18.0149.0040"));
    let offered: Vec<&str> = mapping.candidates.iter().map(|offered| offered.technique.as_str()).collect();
    assert_eq!(offered, ["18.149", "18.165", "18.178"]);
    assert!(
        ["18.0165.", "18.0178."]
            .iter()
            .all(|of| mapping.service_candidates.iter().any(|code| code.starts_with(of))),
        "{:?}",
        mapping.service_candidates
    );

    let field = study("MR", "MRI sọ não", "HEAD");
    assert!(mapped(&field).service.is_some());
    let mapping = mapped(&StudyFacts { field_strength_t: None, ..field });
    let offered: Vec<&str> = mapping.candidates.iter().map(|offered| offered.technique.as_str()).collect();
    assert_eq!((mapping.service, offered), (None, vec!["18.296", "18.366"]));
}

#[test]
fn what_is_denied_is_not_done() {
    for (modality, text, body_part, want) in [
        ("CT", "CLVT ruột non không dùng sonde", "ABDOMEN", "18.227"),
        ("CT", "CLVT ruột non có dùng sonde", "ABDOMEN", "18.228"),
        ("US", "SA tim không Doppler", "HEART", "18.49"),
        ("MR", "MRI não không TOF", "HEAD", "18.296"),
        ("MR", "MRI não không, TOF", "HEAD", "18.298"),
        ("CT", "Scanner cérébral sans injection", "HEAD", "18.149"),
        ("CT", "Scanner cérébral avec injection", "HEAD", "18.150"),
    ] {
        assert_eq!(techniques(modality, text, body_part), [want], "{text}");
    }
}

#[test]
fn a_complaint_is_no_order() {
    for (modality, text, body_part, want) in [
        ("MR", "Tê tay (T) - MRI cột sống cổ", "CSPINE", "18.334"),
        ("DX", "Đau lưng lan chân P - CSTL T/N", "LSPINE", "18.91"),
        ("MR", "Low back pain, MRI L-spine", "LSPINE", "18.338"),
        ("DX", "Tê tay P chụp XQ cột sống cổ", "CSPINE", "18.86"),
        ("US", "SA tuyến giáp - hạch cổ bình thường", "", "18.1"),
        ("DX", "XQ đầu gối P", "KNEE", "18.112"),
        ("US", "Đau bụng - SA", "ABDOMEN", "18.15"),
    ] {
        assert_eq!(techniques(modality, text, body_part), [want], "{text}");
    }
}

#[test]
fn what_was_done_outweighs_the_body_part() {
    for (modality, text, body_part, want) in [
        ("US", "Dẫn lưu áp xe dưới SA", "ABDOMEN", "18.633"),
        ("XA", "Nong van hai lá", "HEART", "18.662"),
        ("XA", "Chụp ĐMV qua đường ĐM quay", "HEART", "18.657"),
        ("XA", "Nong cầu nối AVF tay T", "ARM", "18.521"),
        ("RF", "Chụp thận xuôi dòng P qua dẫn lưu", "ABDOMEN", "18.141"),
    ] {
        assert_eq!(techniques(modality, text, body_part), [want], "{text}");
    }
    // A new valve has no technique in the chapter, and the picture of the heart is not what was done.
    assert_eq!(techniques("XA", "TAVI", "HEART"), Vec::<String>::new());
}

#[test]
fn one_region_of_each_side_is_no_examination_of_both() {
    for (text, want) in [
        ("Bàn tay P, bàn chân T", None),
        ("Bàn tay P, bàn tay T", Some(Side::Both)),
        ("Gối P + gối T", Some(Side::Both)),
        ("Hai khớp gối", Some(Side::Both)),
        ("Hai xương cẳng tay P", Some(Side::Right)),
    ] {
        assert_eq!(mapped(&study("DX", text, "")).laterality, want, "{text}");
    }
}

#[test]
fn contrast_on_a_condition_waits_unless_the_pictures_tell() {
    for text in ["CT chest, contrast if needed", "CT ngực có tiêm nếu cần", "CT ngực +/- thuốc"] {
        let facts = study("CT", text, "CHEST");
        assert_eq!((mapped(&facts).techniques, mapped(&facts).contrast), (Vec::new(), None), "{text}");
        let given = StudyFacts { contrast_agent: "Ultravist 300".to_owned(), ..facts };
        assert_eq!(mapped(&given).techniques, ["18.192"], "{text}");
    }
}

#[test]
fn a_field_that_is_a_reason_is_no_order() {
    for (modality, text, order, want) in [
        ("DX", "Chụp X-quang ngực thẳng", "TD gãy xương đòn T", "18.119"),
        ("US", "SA tuyến giáp", "TD u gan", "18.1"),
        ("XA", "Chụp ĐMV", "Tiền sử đặt stent 2019", "18.657"),
        ("MR", "MRI CSC", "Tê tay P, đau vai", "18.334"),
        ("DX", "Theo dõi viêm phổi", "XQ ngực thẳng", "18.119"),
    ] {
        let facts = StudyFacts { requested_procedure: order.to_owned(), ..study(modality, text, "") };
        assert_eq!(mapped(&facts).techniques, [want], "{text}: {order}");
    }
    // An order that names an examination is one, whatever it begins with.
    let order = "Sau mổ: XQ khớp gối P";
    let facts = StudyFacts { requested_procedure: order.to_owned(), ..study("DX", "XQ ngực thẳng", "") };
    assert_eq!(mapped(&facts).techniques, Vec::<String>::new());
}

#[test]
fn series_of_a_neighbour_contradict_the_order() {
    for (modality, text, series, waits) in [
        ("DX", "XQ khớp vai P", "CLAVICLE AP", true),
        ("DX", "XQ khớp vai P", "SHOULDER AP", false),
        ("CT", "CT sọ não", "Sinus Bone 1.0", true),
        ("CT", "CT sọ não", "Head 5.0", false),
        ("MR", "MRI CSTL", "C SAG T2", true),
        ("MR", "MRI CSTL", "L SAG T2", false),
    ] {
        let facts = StudyFacts { series_descriptions: vec![series.to_owned()], ..study(modality, text, "") };
        assert_eq!(mapped(&facts).techniques.is_empty(), waits, "{text}: {series}");
    }
}

#[test]
fn where_it_hurts_is_no_further_examination() {
    assert_eq!(
        techniques("DX", "Khuỷu T thẳng nghiêng, cẳng tay T thẳng nghiêng", "ELBOW"),
        ["18.104", "18.106"]
    );
    for text in ["Bụng đứng, mệt lan vùng sườn", "Khớp gối T, trượt ngã bàn chân"] {
        assert_eq!(techniques("DX", text, ""), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn words_that_nobody_understands_beside_contrast_wait() {
    for text in ["CT sọ não (đã tiêm thuốc uốn ván)", "CT sọ não, chống chỉ định thuốc cản quang"]
    {
        let facts = study("CT", text, "HEAD");
        assert_eq!((mapped(&facts).techniques, mapped(&facts).contrast), (Vec::new(), None), "{text}");
        let denied = StudyFacts { contrast_agent: "NONE".to_owned(), ..facts };
        assert_eq!(mapped(&denied).techniques, ["18.149"], "{text}");
    }
}

#[test]
fn what_the_pictures_cannot_be_waits() {
    assert_eq!(techniques("RF", "Soi tim phổi", "CHEST"), Vec::<String>::new());
    assert_eq!(techniques("MG", "Chest PA", "BREAST"), Vec::<String>::new());
    assert_eq!(techniques("DX", "MAT", ""), Vec::<String>::new());
    assert_eq!(techniques("CT", "Chọc hút / dẫn lưu dưới CT", "ABDOMEN"), Vec::<String>::new());
    let abdomen = study("DX", "Bụng đứng", "ABDOMEN");
    assert_eq!(mapped(&abdomen).techniques, ["18.125"]);
    let drunk = StudyFacts { contrast_agent: "Telebrix".to_owned(), ..abdomen };
    assert_eq!(mapped(&drunk).techniques, Vec::<String>::new());
    let menu = StudyFacts { images: Some(1), ..study("DX", "Ngực thẳng, bụng, gối, vai", "CHEST") };
    assert_eq!(mapped(&menu).techniques, Vec::<String>::new());
    assert_eq!(mapped(&StudyFacts { images: Some(4), ..menu }).techniques.len(), 4);
}
