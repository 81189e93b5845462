//! JUnit XML, which continuous integration reads: a suite for each group.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::{Case, CaseResult, Report};

/// The report cannot be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be written as XML: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// Formats a report as JUnit XML. A case without a verdict is an error, as opposed to a failure.
pub fn junit(report: &Report) -> Result<String, JunitError> {
    let mut whole = quick_junit::Report::new(&*report.title);
    let at = report.at.utc().fixed_offset();
    whole.set_timestamp(at);
    whole.set_time(total(&report.cases.iter().collect::<Vec<_>>()));
    for (name, cases) in report.groups() {
        let mut suite = TestSuite::new(name);
        suite.set_timestamp(at).set_time(total(&cases));
        suite.add_properties(report.properties.iter().map(|(name, value)| Property::new(*name, &**value)));
        suite.add_test_cases(cases.into_iter().map(|case| test_case(&report.title, case)));
        whole.add_test_suite(suite);
    }
    Ok(whole.to_string()?)
}

fn total(cases: &[&Case]) -> Duration {
    cases.iter().filter_map(|case| case.took).sum()
}

/// A case. Dashboards group by the class, so it begins with the title of the report.
fn test_case(title: &str, case: &Case) -> TestCase {
    let mut status = match &case.result {
        CaseResult::Passed => TestCaseStatus::success(),
        CaseResult::Failed { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
        CaseResult::NoVerdict(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        CaseResult::Skipped(_) => TestCaseStatus::skipped(),
    };
    if let Some(message) = case.result.message() {
        status.set_message(message);
    }
    // The parser of some readers requires a type beside the message.
    if matches!(case.result, CaseResult::Failed { .. } | CaseResult::NoVerdict(_)) {
        status.set_type(case.result.code());
    }
    let details: Vec<String> = case.result.details().iter().map(|(label, value)| format!("{label}: {value}")).collect();
    if !details.is_empty() {
        status.set_description(details.join("\n"));
    }
    let mut written = TestCase::new(&*case.name, status);
    written.set_classname(format!("{title}.{}", case.group));
    if let Some(took) = case.took {
        written.set_time(took);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;
    use quick_junit::XmlString;

    #[test]
    fn a_junit_parser_reads_every_result() {
        let xml = junit(&report("pfns")).expect("XML");
        let read = quick_junit::Report::deserialize_from_str(&xml).expect("JUnit XML");
        assert_eq!((read.tests, read.failures, read.errors, read.skipped), (4, 1, 1, 1), "{xml}");
        assert_eq!(read.time, Some(Duration::from_secs(6)));
        let suite = &read.test_suites[0];
        assert_eq!((suite.name.as_str(), suite.properties[0].value.as_str()), ("reads", "leeway 5s"));
        assert_eq!(suite.test_cases[0].classname.as_ref().map(XmlString::as_str), Some("Orders.reads"));
        let TestCaseStatus::NonSuccess { kind, message, description, .. } = &suite.test_cases[1].status else {
            panic!("not a failure: {xml}");
        };
        assert_eq!(*kind, NonSuccessKind::Failure);
        assert_eq!(message.as_ref().map(XmlString::as_str), Some("expected forbidden, got allowed"));
        assert_eq!(description.as_ref().map(XmlString::as_str), Some("tool: read_data"));
    }
}
