//! Vectors: the examples of PS3.5 annexes H to K, one word per single-byte set, and what devices get wrong.

use super::*;
use proptest::prelude::*;

fn read(terms: &str, bytes: &[u8]) -> (String, Vec<TextNote>) {
    read_as(terms, bytes, Delimiters::PersonName, SiteDefault::NONE)
}

fn read_as(terms: &str, bytes: &[u8], delimiters: Delimiters, site: SiteDefault) -> (String, Vec<TextNote>) {
    let mut notes = TextNotes::default();
    let text =
        CharacterSets::declared(terms.as_bytes(), site).decode(bytes, delimiters, &mut notes).into_owned();
    (text, TextNotes::ALL.into_iter().filter(|&note| notes.has(note)).collect())
}

fn clean(text: &str) -> (String, Vec<TextNote>) {
    (text.to_owned(), Vec::new())
}

fn noted(text: &str, notes: &[TextNote]) -> (String, Vec<TextNote>) {
    (text.to_owned(), notes.to_vec())
}

#[test]
fn single_byte_sets() {
    for (terms, bytes, want) in [
        ("ISO_IR 100", &b"Lef\xe8vre^Andr\xe9"[..], "Lefèvre^André"),
        ("ISO_IR 101", b"Wa\xb3\xeasa", "Wałęsa"),
        ("ISO_IR 109", b"\xa1abib", "Ħabib"),
        ("ISO_IR 110", b"B\xbarzi\xf1\xb9", "Bērziņš"),
        ("ISO_IR 126", b"\xc4\xe9\xef\xed", "Διον"),
        ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea", "قباني"),
        ("ISO_IR 138", b"\xf9\xf8\xe5\xef", "שרון"),
        ("ISO_IR 144", b"\xbb\xee\xda", "Люк"),
        ("ISO_IR 148", b"Y\xfdlmaz^\xdei\xfeli", "Yılmaz^Şişli"),
        ("ISO_IR 166", b"\xca\xc1\xaa\xd2\xc2", "สมชาย"),
        ("ISO_IR 203", b"\xbcuvr\xe9 \xa4", "Œuvré €"),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("ISO_IR 6", b"Plain^Name", "Plain^Name"),
        ("ISO 2022 IR 100", b"Lef\xe8vre", "Lefèvre"),
        ("iso-ir_101 ", b"Wa\xb3\xeasa", "Wałęsa"),
        ("ISO 8859-5\0", b"\xbb\xee\xda", "Люк"),
        ("ISO_IR 192", "Đặng^Thùy Trâm".as_bytes(), "Đặng^Thùy Trâm"),
        ("utf-8", "Đặng".as_bytes(), "Đặng"),
        ("windows-1258", b"Nguy\xea\xden V\xe3n \xd0\xfd\xecc", "Nguyễn Văn Đức"),
        ("CP1258", b"Tr\xe2\xccn", "Trần"),
        ("windows_1251", b"\xc8\xe2\xe0\xed", "Иван"),
    ] {
        assert_eq!(read(terms, bytes), clean(want), "{terms}");
    }
}

#[test]
fn code_extensions_of_the_standard() {
    let kanji = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
    let want = "Yamada^Tarou=山田^太郎=やまだ^たろう";
    assert_eq!(read("\\ISO 2022 IR 87", kanji), clean(want), "H.3.1");
    assert_eq!(read("ISO 2022 IR 6\\ISO 2022 IR 87", kanji), clean(want));
    assert_eq!(read("", kanji), clean(want), "escape sequences speak for themselves");
    let katakana = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J";
    let want = "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ";
    assert_eq!(read("ISO 2022 IR 13\\ISO 2022 IR 87", katakana), clean(want), "H.3.2");
    let korean =
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
    let want = "Hong^Gildong=洪^吉洞=홍^길동";
    assert_eq!(read("\\ISO 2022 IR 149", korean), clean(want), "I.2");
    let chinese = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
    assert_eq!(read("\\ISO 2022 IR 58", chinese), clean("Zhang^XiaoDong=张^小东="), "K.2");
    let supplement = b"\x1b$(D0!\x1b(B";
    assert_eq!(read("\\ISO 2022 IR 87\\ISO 2022 IR 159", supplement), clean("丂"));
    let greek = b"Lef\xe8vre=\x1b-F\xc4\xe9\xef\xed^\xe8";
    assert_eq!(read("ISO 2022 IR 100\\ISO 2022 IR 126", greek), clean("Lefèvre=Διον^è"), "G1 resets at ^");
}

#[test]
fn resets_depend_on_the_value_representation() {
    let bytes = b"\x1b-F\xc4\\\xe8^\x1b-F\xe8\n\xe8";
    let terms = "ISO 2022 IR 100\\ISO 2022 IR 126";
    let read = |delimiters| read_as(terms, bytes, delimiters, SiteDefault::NONE).0;
    assert_eq!(read(Delimiters::None), "Δ\\θ^θ\nè");
    assert_eq!(read(Delimiters::Values), "Δ\\è^θ\nè");
    let text = read_as(terms, b"\x1b-F\xc4^\xe8", Delimiters::Values, SiteDefault::NONE).0;
    assert_eq!(text, "Δ^θ");
}

#[test]
fn second_bytes_that_look_like_delimiters() {
    for terms in ["GB18030", "GBK", "\\GB18030"] {
        assert_eq!(read(terms, b"\x81\x5c\\\x81\x5e^\xd0\xa1"), clean("乗\\乛^小"), "{terms}");
    }
    assert_eq!(read("GB18030", b"Wang=\x90\x30\x81\x30"), clean("Wang=\u{10000}"));
    assert_eq!(
        read("ISO_IR 13", b"\x83\x5c\\\x83\x5e"),
        noted("ソ\\タ", &[TextNote::OtherInstead]),
        "Shift JIS"
    );
    assert_eq!(read("Shift_JIS", b"\x83\x5c\\\x83\x5e"), clean("ソ\\タ"));
    assert_eq!(read("\\ISO 2022 IR 87", b"\x1b$B!@\x1b(B\\"), clean("＼\\"));
}

#[test]
fn bytes_against_the_declaration() {
    let viet = "NGUYỄN^VĂN ĐỨC";
    assert_eq!(read("", viet.as_bytes()), noted(viet, &[TextNote::Undeclared]));
    assert_eq!(read("ISO_IR 100", viet.as_bytes()), noted(viet, &[TextNote::Utf8Instead]));
    assert_eq!(read("ISO_IR 100", "Trần".as_bytes()), noted("Trần", &[TextNote::Utf8Instead]));
    assert_eq!(
        read("ISO_IR 144", "Иванов".as_bytes()),
        noted("Иванов", &[TextNote::Utf8Instead]),
        "holds C1 bytes"
    );
    assert_eq!(read("ISO_IR 166", b"\xc2\xa1"), clean("ยก"), "two Thai letters, though valid UTF-8");
    assert_eq!(read("ISO_IR 13", "やまだ".as_bytes()), noted("やまだ", &[TextNote::Utf8Instead]));
    assert_eq!(read("GB18030", "Đứ".as_bytes()), noted("Đứ", &[TextNote::Utf8Instead]));
    assert_eq!(read("ISO_IR 192", b"Lef\xe8vre"), noted("Lefèvre", &[TextNote::OtherInstead]));
    assert_eq!(read("", b"Lef\xe8vre"), noted("Lefèvre", &[TextNote::Undeclared]));
    assert_eq!(
        read("ISO_IR 999", b"Lef\xe8vre"),
        noted("Lefèvre", &[TextNote::Undeclared, TextNote::UnknownTerm])
    );
    assert_eq!(
        read("nonsense", viet.as_bytes()),
        noted(viet, &[TextNote::Undeclared, TextNote::UnknownTerm])
    );
    assert_eq!(read("ISO_IR 100", b"\x93quoted\x94"), clean("“quoted”"));
    let site = SiteDefault::named("windows-1258").unwrap();
    assert_eq!(read_as("", b"Tr\xe2\xccn", Delimiters::PersonName, site).0, "Trần");
    assert_eq!(
        read_as("", viet.as_bytes(), Delimiters::PersonName, site).0,
        viet,
        "UTF-8 before the site default"
    );
    assert_eq!(SiteDefault::named("ISO_IR 166"), SiteDefault::named("tis-620"));
    assert_eq!(SiteDefault::named("no such set"), None);
    assert_eq!(SiteDefault::named("utf-16"), None);
}

#[test]
fn sloppy_escape_sequences() {
    let once = b"Hong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7=\xc8\xab";
    assert_eq!(read("\\ISO 2022 IR 149", once), clean("Hong=洪^吉洞=홍"), "designated once");
    let never = b"Hong=\xfb\xf3^\xd1\xce\xd4\xd7";
    assert_eq!(read("\\ISO 2022 IR 149", never), noted("Hong=洪^吉洞", &[TextNote::OtherInstead]));
    assert_eq!(
        read("ISO 2022 IR 149", never),
        noted("Hong=洪^吉洞", &[TextNote::OtherInstead]),
        "as only term"
    );
    let shift_jis = b"\x8eR\x93c^\x91\xbe\x98Y";
    assert_eq!(read("\\ISO 2022 IR 87", shift_jis), noted("山田^太郎", &[TextNote::OtherInstead]));
    assert_eq!(read("\\ISO 2022 IR 87", "山田".as_bytes()), noted("山田", &[TextNote::OtherInstead]));
    assert_eq!(read("\\ISO 2022 IR 87", b"\x1b$B;3ED"), clean("山田"), "no return to ASCII at the end");
    assert_eq!(read("\\ISO 2022 IR 87", b"\x1b$B;3E"), noted("山\u{fffd}", &[TextNote::Undecodable]));
    assert_eq!(read("\\ISO 2022 IR 87", b"a\x1b%Gb\x1b"), noted("ab", &[TextNote::UnknownEscape]));
    assert_eq!(
        read("ISO_IR 100", b"a\x1b[31mb").0,
        "a31mb",
        "no sequence of ISO 2022 has [ as its first byte: one byte is dropped"
    );
    assert_eq!(read("", b"\x1b(I;3\x1b(B"), clean("ｻｳ"), "katakana in G0");
}

proptest! {
    #[test]
    fn never_fails_and_is_quick(terms in "[A-Z0-9_ \\\\]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (text, _) = read(&terms, &bytes);
        prop_assert!(text.len() <= 6 * bytes.len());
    }

    #[test]
    fn escapes_among_noise(bytes in "([\\x1b$()A-Z\\\\^= ]|[\\x20-\\x7e]){0,60}") {
        let (text, _) = read("ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 149", bytes.as_bytes());
        prop_assert!(!text.contains('\x1b'));
    }
}
