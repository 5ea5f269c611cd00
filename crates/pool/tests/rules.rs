//! The rules that come with the program, held against answers as the three providers really give them.

use millpond_pool::account::Provider::{self, Anthropic, Gemini, OpenAi};
use millpond_pool::rules::{EMBEDDED, Failed, Harm, Reach, Rules, Then, Trouble};
use proptest::prelude::*;

const SECOND: i64 = 1_000;

struct Case {
    provider: Provider,
    trouble: Trouble,
    codes: &'static [&'static str],
    text: &'static str,
    wait: Option<i64>,
    cause: &'static str,
    then: Then,
    harm: Harm,
}

fn case(provider: Provider, status: u16, codes: &'static [&'static str], text: &'static str) -> Case {
    Case {
        provider,
        trouble: Trouble::Status(status),
        codes,
        text,
        wait: None,
        cause: "",
        then: Then::GoOn,
        harm: Harm::None,
    }
}

impl Case {
    fn is(self, cause: &'static str, then: Then, harm: Harm) -> Self {
        Self { cause, then, harm, ..self }
    }

    fn after(self, millis: i64) -> Self {
        Self { wait: Some(millis), ..self }
    }
}

fn cases() -> Vec<Case> {
    use Harm::{Circuit, None, Rest, UntilChanged};
    use Reach::{Account, Credential, Model};
    use Then::{GoOn, Stop};
    vec![
        // OpenAI
        case(OpenAi, 400, &["context_length_exceeded", "invalid_request_error"],
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 200005 tokens.")
            .is("context_too_long", Stop, None),
        case(OpenAi, 400, &["invalid_request_error"], "Unknown parameter: 'foo'.").is("refused", Stop, None),
        case(OpenAi, 401, &["invalid_api_key", "invalid_request_error"],
            "Incorrect API key provided: sk-abc. You can find your API key at https://platform.openai.com/account/api-keys.")
            .is("credential_refused", GoOn, UntilChanged(Credential)),
        case(OpenAi, 403, &["unsupported_country_region_territory", "request_forbidden"],
            "Country, region, or territory not supported").is("region_refused", GoOn, Rest(Account, 3600 * SECOND)),
        case(OpenAi, 403, &["model_not_found", "invalid_request_error"],
            "Project `proj_x` does not have access to model `gpt-5`").is("model_refused", GoOn, Rest(Model, 600 * SECOND)),
        case(OpenAi, 403, &[], "Your chosen model requires moderation and your input was flagged for \"violence\".")
            .is("content_refused", Stop, None),
        case(OpenAi, 403, &[], "<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title></html>")
            .is("blocked_by_a_page", GoOn, Circuit(Model)),
        case(OpenAi, 404, &["model_not_found", "invalid_request_error"],
            "The model `gpt-9` does not exist or you do not have access to it.")
            .is("model_refused", GoOn, Rest(Model, 600 * SECOND)),
        case(OpenAi, 402, &["402"], "Insufficient credits.").is("credit_used_up", GoOn, Rest(Account, 3600 * SECOND)),
        case(OpenAi, 429, &["insufficient_quota", "insufficient_quota"],
            "You exceeded your current quota, please check your plan and billing details.").after(2 * SECOND)
            .is("credit_used_up", GoOn, Rest(Account, 3600 * SECOND)),
        case(OpenAi, 429, &["rate_limit_exceeded", "tokens"],
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000.").after(1_400)
            .is("rate_limited", GoOn, Rest(Model, 1_400)),
        case(OpenAi, 429, &[], "slow down").is("rate_limited", GoOn, Rest(Model, 5 * SECOND)),
        case(OpenAi, 503, &["server_error"], "The server is overloaded").is("unavailable", GoOn, Circuit(Model)),
        case(OpenAi, 500, &[], "").is("server_error", GoOn, Circuit(Model)),
        case(OpenAi, 302, &[], "").is("redirected", GoOn, Rest(Account, 60 * SECOND)),
        // Anthropic
        case(Anthropic, 400, &["invalid_request_error"], "prompt is too long: 210345 tokens > 200000 maximum")
            .is("context_too_long", Stop, None),
        case(Anthropic, 400, &["invalid_request_error"],
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.")
            .is("credit_used_up", GoOn, Rest(Account, 3600 * SECOND)),
        case(Anthropic, 401, &["authentication_error"], "invalid x-api-key")
            .is("credential_refused", GoOn, UntilChanged(Credential)),
        case(Anthropic, 403, &["permission_error"], "Your API key does not have permission to use the specified resource.")
            .is("credential_refused", GoOn, UntilChanged(Credential)),
        case(Anthropic, 404, &["not_found_error"], "model: claude-9").is("model_refused", GoOn, Rest(Model, 600 * SECOND)),
        case(Anthropic, 413, &["request_too_large"], "Request exceeds the maximum size").is("refused", Stop, None),
        case(Anthropic, 429, &["rate_limit_error"], "This request would exceed your organization's rate limit").after(17 * SECOND)
            .is("rate_limited", GoOn, Rest(Model, 17 * SECOND)),
        case(Anthropic, 529, &["overloaded_error"], "Overloaded").is("overloaded", GoOn, Circuit(Model)),
        // Gemini
        case(Gemini, 400, &["INVALID_ARGUMENT", "API_KEY_INVALID"], "API key not valid. Please pass a valid API key.")
            .is("credential_refused", GoOn, UntilChanged(Credential)),
        case(Gemini, 400, &["FAILED_PRECONDITION"], "User location is not supported for the API use.")
            .is("region_refused", GoOn, Rest(Account, 3600 * SECOND)),
        case(Gemini, 400, &["INVALID_ARGUMENT"],
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")
            .is("context_too_long", Stop, None),
        case(Gemini, 403, &["PERMISSION_DENIED"], "Your API key was reported as leaked. Please use another API key.")
            .is("credential_refused", GoOn, UntilChanged(Credential)),
        case(Gemini, 403, &["PERMISSION_DENIED"], "You do not have permission to access tuned model tunedModels/x.")
            .is("permission_refused", GoOn, Rest(Model, 600 * SECOND)),
        case(Gemini, 429, &["RESOURCE_EXHAUSTED"],
            "You exceeded your current quota, please check your plan and billing details. GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
            .after(34 * SECOND).is("rate_limited", GoOn, Rest(Model, 34 * SECOND)),
        case(Gemini, 429, &["RESOURCE_EXHAUSTED"], "Quota exceeded. GenerateRequestsPerDayPerProjectPerModel-FreeTier")
            .is("daily_limit", GoOn, Rest(Model, 3600 * SECOND)),
        case(Gemini, 503, &["UNAVAILABLE"], "The model is overloaded. Please try again later.")
            .is("unavailable", GoOn, Circuit(Model)),
    ]
}

#[test]
fn answers_of_the_providers_mean_what_they_should() {
    let rules = Rules::parse(EMBEDDED).unwrap();
    for case in cases() {
        let codes: Vec<String> = case.codes.iter().map(|code| (*code).to_owned()).collect();
        let failed = Failed {
            provider: case.provider,
            trouble: case.trouble,
            codes: &codes,
            message: case.text,
            text: case.text,
            wait_millis: case.wait,
        };
        let verdict = rules.judge(&failed);
        let told = format!("{:?} {:?} {}", case.provider, case.trouble, case.text);
        assert_eq!((verdict.cause, verdict.then, verdict.harm), (case.cause, case.then, case.harm), "{told}");
    }
    for (trouble, cause, harm) in [
        (Trouble::Timeout, "timeout", Harm::Circuit(Reach::Model)),
        (Trouble::Broken, "unreachable", Harm::Circuit(Reach::Account)),
        (Trouble::Forbidden, "address_forbidden", Harm::Rest(Reach::Account, 60 * SECOND)),
    ] {
        let failed =
            Failed { provider: OpenAi, trouble, codes: &[], message: "", text: "", wait_millis: None };
        let verdict = rules.judge(&failed);
        assert_eq!((verdict.cause, verdict.then, verdict.harm), (cause, Then::GoOn, harm));
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (text, problem) in [
        ("[[rule]]\nname = \"a\"\nthen = \"stop\"\n", "matches everything"),
        (
            "[[rule]]\nname = \"a\"\nstatus = [400]\nthen = \"stop\"\nharm = \"rest\"\nscope = \"model\"\n",
            "needs seconds",
        ),
        ("[[rule]]\nname = \"a\"\nstatus = [400]\nthen = \"stop\"\nharm = \"circuit\"\n", "needs a scope"),
        ("[[rule]]\nname = \"a\"\nstatus = [\"often\"]\nthen = \"stop\"\n", "a status is a number"),
        ("[[rule]]\nname = \"a\"\nstatus = [400]\nthen = \"maybe\"\n", "maybe"),
        ("[[rule]]\nname = \"a\"\nstatus = [400]\nthen = \"stop\"\nsecond = 1\n", "unknown field"),
    ] {
        let error = Rules::parse(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

/// A rule for one status and one text, named by its place.
fn tiny(place: usize, status: u16, text: &str) -> String {
    format!("[[rule]]\nname = \"{place}\"\nstatus = [{status}]\ntext = [\"{text}\"]\nthen = \"go_on\"\n")
}

proptest! {
    #[test]
    fn the_first_rule_that_matches_decides(
        rules in prop::collection::vec((400_u16..404, "[ab]{0,2}"), 1..8), status in 400_u16..404, said in "[abAB]{0,4}",
    ) {
        let text: String = rules.iter().enumerate().map(|(place, (status, text))| tiny(place, *status, text)).collect();
        let parsed = Rules::parse(&text).unwrap();
        let failed = Failed { provider: OpenAi, trouble: Trouble::Status(status), codes: &[], message: &said, text: &said, wait_millis: None };
        let expected = rules.iter().position(|(wanted, text)| *wanted == status && said.to_lowercase().contains(text));
        let expected = expected.map_or_else(|| "refused".to_owned(), |place| place.to_string());
        prop_assert_eq!(parsed.judge(&failed).cause, expected);
    }

    #[test]
    fn no_client_error_is_ever_tried_elsewhere(text in ".{0,80}", status in prop::sample::select(vec![400_u16, 413, 422])) {
        // Unless the provider names the credential, the money or the place as the reason.
        prop_assume!(!text.to_lowercase().starts_with("your credit balance"));
        let rules = Rules::parse(EMBEDDED).unwrap();
        for provider in [OpenAi, Anthropic, Gemini] {
            let failed = Failed { provider, trouble: Trouble::Status(status), codes: &[], message: &text, text: &text, wait_millis: None };
            let verdict = rules.judge(&failed);
            prop_assert_eq!((verdict.then, verdict.harm), (Then::Stop, Harm::None));
        }
    }

    #[test]
    fn a_provider_is_believed_within_bounds(wait in any::<i64>()) {
        let rules = Rules::parse(EMBEDDED).unwrap();
        let failed = Failed { provider: OpenAi, trouble: Trouble::Status(429), codes: &[], message: "", text: "", wait_millis: Some(wait) };
        let Harm::Rest(_, millis) = rules.judge(&failed).harm else { panic!("a 429 is a rest") };
        prop_assert!((1..=86_400 * SECOND).contains(&millis));
        if (1..=86_400 * SECOND).contains(&wait) {
            prop_assert_eq!(millis, wait);
        }
    }
}
