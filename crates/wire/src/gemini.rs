//! The head of a Gemini `generateContent` request. The model and whether to stream stand in the URL, so there is
//! nothing here that the gateway would ever change.

use crate::json::is_empty_array;
use crate::request::{Field, RequestError, given, pick};

/// What the gateway knows of a `generateContent` request (ai.google.dev, "Generating content").
///
/// Google reads both the camel case and the snake case of a name; giving both is refused.
#[derive(Clone, Debug)]
pub struct GeminiHead<'a> {
    /// The raw JSON array of contents, which has at least one element.
    pub contents: &'a [u8],
    /// The raw JSON of the system instruction.
    pub system_instruction: Option<&'a [u8]>,
    /// The raw JSON of the tool definitions.
    pub tools: Option<&'a [u8]>,
    /// `generationConfig.maxOutputTokens`: the bound on output tokens.
    pub max_output_tokens: Option<u64>,
    /// `generationConfig.candidateCount`: how many answers are wanted; 1 unless given.
    pub candidate_count: u64,
}

impl<'a> GeminiHead<'a> {
    /// Reads the head of a request; the body must be one JSON object and nothing after it.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let [contents, tools, config, config_snake, system, system_snake] = pick(
            body,
            [
                "contents",
                "tools",
                "generationConfig",
                "generation_config",
                "systemInstruction",
                "system_instruction",
            ],
        )?;
        let contents = given(contents).ok_or_else(|| RequestError::missing("contents"))?.array()?;
        if is_empty_array(contents, 0) {
            let message = "Invalid 'contents': at least one content is required.".to_owned();
            return Err(RequestError::new("empty_array", "contents", message));
        }
        let (max_output_tokens, candidate_count) = read_config(one_of(config, config_snake)?)?;
        Ok(Self {
            contents,
            system_instruction: one_of(system, system_snake)?.map(Field::bytes),
            tools: given(tools).map(Field::bytes),
            max_output_tokens,
            candidate_count,
        })
    }
}

fn read_config(config: Option<Field<'_>>) -> Result<(Option<u64>, u64), RequestError> {
    let Some(config) = config else { return Ok((None, 1)) };
    let [max, max_snake, count, count_snake] =
        config.pick(["maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"])?;
    let max = one_of(max, max_snake)?
        .map(|field| field.named("generationConfig.maxOutputTokens").integer(0))
        .transpose()?;
    let count = one_of(count, count_snake)?
        .map(|field| field.named("generationConfig.candidateCount").integer(1))
        .transpose()?;
    Ok((max, count.unwrap_or(1)))
}

/// The field under whichever of its two names it was given.
fn one_of<'a>(camel: Option<Field<'a>>, snake: Option<Field<'a>>) -> Result<Option<Field<'a>>, RequestError> {
    match (camel, snake) {
        (Some(camel), Some(snake)) => {
            let message = format!("Duplicate parameter: '{}' and '{}' are the same.", camel.name, snake.name);
            Err(RequestError::new("duplicate_parameter", camel.name, message))
        }
        (camel, snake) => Ok(given(camel.or(snake))),
    }
}
