//! Codes that came with the order or the header, and what people of the facility chose before.
//!
//! Knows that a valid code outweighs text, unless the pictures are of another kind or region.

use std::collections::BTreeSet;

use super::{Case, Finding, list};
use crate::codes::catalogue::Technique;
use crate::codes::catalogue::name::{service_code, technique_code};
use crate::codes::choice::regions::is_apart;
use crate::codes::choice::rules::{Machine, kinds, technique};
use crate::codes::concept::{SCHEME_LOINC, SCHEME_SERVICE, SCHEME_TECHNIQUE};
use crate::codes::outcome::{Level, Line};
use crate::codes::reading::{Concept, Kind, Reading};
use crate::codes::service;
use crate::dataset::fold::fold;

impl Case<'_> {
    /// A rule that a person's choice became.
    pub(super) fn chosen_by_a_person(&self) -> Option<Finding<'_>> {
        let text = fold(&[&*self.facts.requested_procedure, &*self.facts.study_description].join(" "));
        let holds = self.rules.facility.iter().find(|rule| {
            let code = !rule.code.is_empty() && self.facts.codes.iter().any(|code| code.value == rule.code);
            let same_text = !rule.text.is_empty() && rule.text == text;
            rule.modality == self.facts.modality && (code || same_text)
        })?;
        let techniques: Vec<&Technique> =
            holds.techniques.iter().filter_map(|code| self.catalogue.technique(code)).collect();
        let line = Line { about: "facility", what: format!("chosen before by {}", holds.by) };
        (!techniques.is_empty()).then(|| self.finding(techniques, Level::Facility, line))
    }

    /// A national code of the order, or what an imported list says about a local one.
    ///
    /// # Errors
    ///
    /// The contradiction, where a valid code is of another kind of pictures or another region.
    pub(super) fn ordered(&self) -> Result<Option<Finding<'_>>, Line> {
        let Some((code, techniques)) = self.codes().into_iter().next() else { return Ok(None) };
        let kinds = kinds(self.imaging.label());
        let fits: Vec<&Technique> =
            techniques.into_iter().filter(|technique| kinds.contains(&technique.axes.imaging)).collect();
        let field = |technique: &&&Technique| {
            technique.axes.field.is_none()
                || self.machine.field.is_none()
                || technique.axes.field == self.machine.field
        };
        let Some(ordered) = fits.iter().find(field).or(fits.first()).copied() else {
            let what = format!("code {code} is of another kind of pictures");
            return Err(Line { about: "conflict", what });
        };
        let regions = self.regions_of(ordered);
        let of = |field: &Reading| -> BTreeSet<Concept> {
            field.of_kind(&self.rules.vocabulary, Kind::Region).collect()
        };
        // Each for itself: the meaning that came with the code says the same as the code, whatever was ordered or taken.
        let fields = [of(&self.evidence.written), of(&self.evidence.all_series())];
        let apart = |seen: &&BTreeSet<Concept>| {
            !seen.is_empty() && !regions.is_empty() && is_apart(&self.rules.vocabulary, &regions, seen)
        };
        if let Some(seen) = fields.iter().find(apart) {
            let what = format!("code {code} is of another region than {}", list(seen));
            return Err(Line { about: "conflict", what });
        }
        if let Some(named) = self.evidence.other_modality(self.imaging, &self.rules.vocabulary) {
            let what = format!("code {code} and pictures are of one kind, the text says {named}");
            return Err(Line { about: "conflict", what });
        }
        let seen: BTreeSet<Concept> = fields.into_iter().flatten().chain(of(&self.evidence.order)).collect();
        let acquired = self.as_acquired(ordered);
        let of_code = self.catalogue.service(&code).and_then(service::contrast_of);
        let line = Line { about: "code", what: code };
        let mut finding = self.finding(vec![acquired], Level::Code, line);
        if acquired.axes.contrast.is_none() && self.contrast.told.is_none() {
            finding.contrast = of_code.unwrap_or(finding.contrast);
        }
        finding.regions = regions.union(&seen).copied().collect();
        Ok(Some(finding))
    }

    fn regions_of(&self, technique: &Technique) -> BTreeSet<Concept> {
        let name = technique.names.first().map_or("", String::as_str);
        let name = name.split(['[', '(']).next().unwrap_or(name);
        let reading = self.rules.vocabulary.read_text(name, self.imaging);
        reading.of_kind(&self.rules.vocabulary, Kind::Region).collect()
    }

    /// What was acquired beats what was ordered: the same examination with the contrast that was given.
    fn as_acquired<'b>(&'b self, ordered: &'b Technique) -> &'b Technique {
        let Some(contrast) = self.contrast.told.filter(|_| self.contrast.acquired) else { return ordered };
        if ordered.axes.contrast.is_none_or(|of| of == contrast) {
            return ordered;
        }
        let machine = Machine { detector: ordered.axes.detector, field: ordered.axes.field };
        let same = ordered.stems.iter().find_map(|stem| {
            technique(self.catalogue, self.imaging, stem, machine, contrast).filter(|(other, _)| {
                other.axes.contrast == Some(contrast) || ordered.axes.contrast != Some(contrast)
            })
        });
        same.map_or(ordered, |(technique, _)| technique)
    }

    /// Codes with the techniques they stand for, in the order received. LOINC counts only where no text names a
    /// region: it is a reference and often wrong.
    fn codes(&self) -> Vec<(String, Vec<&Technique>)> {
        let mut found = Vec::new();
        let values = self.facts.codes.iter().map(|code| code.value.as_str());
        let texts = [&self.facts.requested_procedure, &self.facts.study_description];
        let words = texts
            .into_iter()
            .flat_map(|text| text.split([' ', '-', '_', '^', ':', ';', ',', '(', ')', '[', ']']));
        for value in values.chain(words.filter(|word| word.starts_with("18."))) {
            let techniques = self.national(value);
            if !techniques.is_empty() {
                found.push((value.trim().to_owned(), techniques));
            }
        }
        for code in &self.facts.codes {
            let reference = code.scheme == SCHEME_LOINC;
            let silent = self.evidence.text().of_kind(&self.rules.vocabulary, Kind::Region).next().is_none();
            if reference && !silent {
                continue;
            }
            let links = self.catalogue.crosswalk().of(&code.scheme, &code.value);
            let targets =
                links.iter().filter(|(to, ..)| [SCHEME_TECHNIQUE, SCHEME_SERVICE].contains(&&*to.scheme));
            let techniques: Vec<&Technique> = targets.flat_map(|(to, ..)| self.national(&to.value)).collect();
            if !techniques.is_empty() {
                found.push((format!("{} {}", code.scheme, code.value), techniques));
            }
        }
        found
    }

    fn national(&self, value: &str) -> Vec<&Technique> {
        if service_code(value).is_some() {
            let service = self.catalogue.service(value);
            let places = service.map(|service| service.techniques.as_slice()).unwrap_or_default();
            return places.iter().filter_map(|at| self.catalogue.techniques().get(*at)).collect();
        }
        technique_code(value).and_then(|_| self.catalogue.technique(value)).into_iter().collect()
    }

    fn finding<'b>(&'b self, techniques: Vec<&'b Technique>, level: Level, line: Line) -> Finding<'b> {
        let named = techniques.first().and_then(|technique| technique.axes.contrast);
        Finding {
            contrast: named.or(self.contrast.told).unwrap_or_else(|| self.usual_contrast(&techniques)),
            regions: techniques.iter().flat_map(|technique| self.regions_of(technique)).collect(),
            techniques,
            seconds: Vec::new(),
            others: Vec::new(),
            held: None,
            level,
            agreed: false,
            assumed: false,
            doubts: Vec::new(),
            why: vec![line],
        }
    }

    /// Contrast of an examination that has none in its name: what the table says about examinations of that name.
    fn usual_contrast(&self, techniques: &[&Technique]) -> bool {
        techniques
            .iter()
            .flat_map(|technique| &technique.stems)
            .any(|stem| self.rules.table.is_with_contrast(stem))
    }
}
