//! What stands around every page: head, navigation, language switch, the banner when stores are refused.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::Portal;
use crate::assets::{self, Asset};
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;

/// Which entry of the navigation is the page's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Studies,
    Import,
    System,
    Accounts,
    Log,
    /// Codes that wait for a person.
    Review,
    /// Orders without images, images without order.
    Reconciliation,
    /// What should be one person and clashes.
    Collisions,
    /// Pictures that patients brought.
    Intakes,
    /// What was withdrawn.
    Withdrawn,
    /// Exams that were avoided.
    Ledger,
    /// A prior for an order: opened from elsewhere, without the other ways of the archive.
    Reuse,
    /// Below the study list.
    Inside,
}

/// A page but for its content.
pub(crate) struct Frame<'a> {
    pub language: Language,
    pub place: Place,
    /// Title, as text.
    pub title: &'a str,
    /// Path and query of the page, without anything about a patient.
    pub here: &'a str,
    /// Why stores are refused, as text.
    pub refused: Option<String>,
    /// Who asks, where the page tells it.
    pub reader: Option<&'a Who>,
    /// The script of the page.
    pub script: &'static Asset,
}

impl<'a> Frame<'a> {
    /// The frame of a page over `portal`.
    pub(crate) fn new(
        portal: &Portal,
        language: Language,
        place: Place,
        title: &'a str,
        here: &'a str,
    ) -> Frame<'a> {
        let refused = portal.archive.refuses().map(|error| refusal(language, &error.to_string()));
        let script = match place {
            Place::Import => &*assets::IMPORT_JS,
            Place::Review
            | Place::Reconciliation
            | Place::Collisions
            | Place::Intakes
            | Place::Withdrawn
            | Place::Inside
            | Place::Reuse => &*assets::DESK_JS,
            _ => &*assets::JS,
        };
        Frame { language, place, title, here, refused, reader: None, script }
    }

    /// Tells who asks, and shows the ways that are theirs.
    pub(crate) fn asked_by(mut self, reader: &'a Who) -> Frame<'a> {
        self.reader = Some(reader);
        self
    }

    /// The page with `content`.
    pub(crate) fn around(&self, content: &Html) -> Response {
        html(StatusCode::OK, self.whole(content))
    }

    /// The page with `content` and a status of its own.
    pub(crate) fn answering(&self, status: StatusCode, content: &Html) -> Response {
        html(status, self.whole(content))
    }

    /// The navigation: what everybody needs daily stands open, the rest in two groups, so that it is one line.
    fn ways(&self, page: &mut Html) {
        let words = self.language.words();
        let link = |page: &mut Html, (place, address, name): (Place, &str, &str)| {
            let current = if place == self.place { " aria-current=\"page\"" } else { "" };
            page.put(format_args!("<a href=\"{address}\"{current}>{name}</a>"));
        };
        let group = |page: &mut Html, name: &str, entries: &[(Place, &str, &str)]| {
            let inside = entries.iter().any(|(place, ..)| *place == self.place);
            let current = if inside { " class=\"current\"" } else { "" };
            page.put(format_args!("<details name=\"ways\"><summary{current}>{name}</summary><div>"));
            entries.iter().for_each(|entry| link(page, *entry));
            page.put(format_args!("</div></details>"));
        };
        link(page, (Place::Studies, "/", words.studies));
        link(page, (Place::Import, "/import", words.import));
        let tasks = [
            (Place::Review, "/review", words.review),
            (Place::Reconciliation, "/reconciliation", words.reconciliation),
            (Place::Collisions, "/collisions", words.collisions),
            (Place::Intakes, "/intakes", words.intakes),
        ];
        group(page, words.to_do, &tasks);
        let mut running = vec![(Place::System, "/state", words.system_status)];
        if let Some(reader) = self.reader {
            running.extend(crate::sign_in::ways(self.language, reader));
        }
        running.push((Place::Withdrawn, "/withdrawn", words.withdrawn_studies));
        group(page, words.system, &running);
    }

    fn whole(&self, content: &Html) -> String {
        let words = self.language.words();
        let title = Escaped(self.title);
        let mut page = Html::default();
        page.put(format_args!(
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · {}</title>\
             <link rel=\"icon\" href=\"{}\"><link rel=\"stylesheet\" href=\"{}\">\
             <script src=\"{}\" defer></script></head><body{}>\n\
             <a class=\"skip\" href=\"#main\">{}</a>\n<header class=\"top\"><a class=\"brand\" href=\"/\">{}</a><nav>",
            self.language.tag(),
            words.product,
            assets::ICON.address(),
            assets::CSS.address(),
            self.script.address(),
            if self.place == Place::Reuse { " class=\"slim\"" } else { "" },
            words.skip,
            words.product,
        ));
        self.ways(&mut page);
        let other = self.language.other().tag();
        page.put(format_args!(
            "</nav>{}<a class=\"language\" lang=\"{other}\" hreflang=\"{other}\" href=\"/language/{other}?to={}\">{}</a></header>\n",
            crate::sign_in::corner(self.language, self.reader),
            percent(self.here),
            words.other_language,
        ));
        if let Some(why) = &self.refused {
            let why = Escaped(why);
            page.put(format_args!(
                "<p class=\"banner bad\" role=\"alert\"><b>{}</b> {why}</p>\n",
                words.not_taking
            ));
        }
        page.put(format_args!(
            "<p class=\"banner bad\" role=\"alert\" id=\"offline\" hidden>{}</p>\n",
            words.offline
        ));
        page.put(format_args!("<main id=\"main\">{}</main>\n</body></html>\n", content.0));
        page.0
    }
}

/// Why stores are refused, in the reader's language; the log has the whole of it.
fn refusal(language: Language, why: &str) -> String {
    let words = language.words();
    let known = [
        ("disk failed", words.refused_disk),
        ("disk is full", words.refused_space),
        ("are kept free", words.refused_space),
        ("index", words.refused_index),
        ("upload", words.refused_upload),
        ("bucket", words.refused_upload),
        ("object store", words.refused_upload),
        ("stopping", words.refused_stopping),
    ];
    match known.iter().find(|(part, _)| language == Language::Vietnamese && why.contains(part)) {
        Some((_, said)) => (*said).to_owned(),
        None => why.to_owned(),
    }
}

/// An answer of HTML. Patient data stay out of the caches of shared computers.
pub(crate) fn html(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (header::VARY, HeaderValue::from_static("Cookie, Accept-Language")),
    ];
    (status, headers, text).into_response()
}

/// A page that cannot be shown.
#[derive(Debug)]
pub(crate) struct Failure {
    language: Language,
    status: StatusCode,
    what: &'static str,
}

impl Failure {
    /// There is no such study.
    pub(crate) fn no_study(language: Language) -> Failure {
        Failure { language, status: StatusCode::NOT_FOUND, what: language.words().no_study }
    }

    /// What a page is about is not there.
    pub(crate) fn no_such(language: Language, what: &'static str) -> Failure {
        Failure { language, status: StatusCode::NOT_FOUND, what }
    }

    /// The archive failed; it was logged when `problem` was made.
    pub(crate) fn of(language: Language) -> impl FnOnce(Problem) -> Failure {
        move |_: Problem| Failure {
            language,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            what: language.words().failed,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let words = self.language.words();
        let mut content = Html::default();
        content.put(format_args!(
            "<div class=\"nothing\"><h1>{}</h1><p><a class=\"button\" href=\"/\">{}</a></p></div>",
            self.what, words.back_to_list
        ));
        let frame = Frame {
            language: self.language,
            place: Place::Inside,
            title: self.what,
            here: "/",
            refused: None,
            reader: None,
            script: &assets::JS,
        };
        html(self.status, frame.whole(&content))
    }
}

/// The ways on in a list that goes by the last row of a page: to its beginning, and to what follows.
pub(crate) fn pager(out: &mut Html, language: Language, first: Option<String>, next: Option<String>) {
    let words = language.words();
    if first.is_none() && next.is_none() {
        return;
    }
    out.put(format_args!("<nav class=\"pager\" aria-label=\"{}\">", words.pages));
    if let Some(first) = first {
        out.put(format_args!(
            "<a class=\"button\" rel=\"first\" href=\"{}\">{}</a>",
            Escaped(&first),
            words.first_page
        ));
    }
    if let Some(next) = next {
        out.put(format_args!(
            "<a class=\"button\" rel=\"next\" href=\"{}\" aria-label=\"{}\">→</a>",
            Escaped(&next),
            words.next_page
        ));
    }
    out.put(format_args!("</nav>"));
}
