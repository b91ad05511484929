//! What is left open where the header does not tell the machine: techniques of the other classes, services of each.
//!
//! Knows that a detector class and a field strength are never guessed for a service code; prices are not looked at.

use super::{Case, Finding};
use crate::codes::catalogue::Technique;
use crate::codes::catalogue::name::{DetectorClass, Field};
use crate::codes::choice::rules::{Chosen, Machine, technique};
use crate::codes::service;

impl Case<'_> {
    /// The chosen examinations on machines of each class that the header does not exclude.
    pub(super) fn of_other_machines(&self, chosen: &Chosen, contrast: bool) -> Vec<(Machine, &Technique)> {
        let detectors = match self.machine.detector {
            Some(class) => vec![Some(class)],
            None => {
                vec![Some(DetectorClass::UpTo32), Some(DetectorClass::From64), Some(DetectorClass::From256)]
            }
        };
        let fields = match self.machine.field {
            Some(field) => vec![Some(field)],
            None => vec![Some(Field::Low), Some(Field::High)],
        };
        let mut found: Vec<(Machine, &Technique)> = Vec::new();
        for names in &chosen.names {
            for detector in &detectors {
                for field in &fields {
                    let machine = Machine { detector: *detector, field: *field };
                    let of = |name: &String| technique(self.catalogue, self.imaging, name, machine, contrast);
                    let technique = names.iter().find_map(of).map(|(technique, _)| technique);
                    found.extend(technique.map(|technique| (machine, technique)));
                }
            }
        }
        found
    }

    /// The service codes that a single technique leaves, on every machine that it may have been.
    pub(super) fn services(&self, finding: &Finding<'_>) -> Vec<String> {
        let [only] = finding.techniques[..] else { return Vec::new() };
        let left = |technique: &Technique, machine: Machine| {
            service::left(self.catalogue, technique, self.facts, finding.contrast, machine)
        };
        let mut services = left(only, self.machine);
        for (machine, technique) in &finding.others {
            services.extend(left(technique, *machine));
        }
        let mut kept: Vec<String> = Vec::new();
        for service in services {
            if !kept.contains(&service) {
                kept.push(service);
            }
        }
        kept
    }
}
