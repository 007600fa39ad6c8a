//! Tests of every rule of botocore, as observed by running it, with a service of seven
//! items in pages of three with the tokens t3 and t6.

use super::super::base64;
use super::*;

/// A service of `items` items that answers pages of `page` from token `t<index>`.
struct Service {
    items: usize,
    page: usize,
    requests: Vec<Option<String>>,
}

impl Service {
    fn seven() -> Self {
        Self {
            items: 7,
            page: 3,
            requests: Vec::new(),
        }
    }

    fn answer(&mut self, request: &PageRequest) -> (Vec<usize>, Option<String>) {
        self.requests.push(request.token.clone());
        let start = request
            .token
            .as_deref()
            .map_or(0, |token| token[1..].parse().unwrap());
        let size = request.page_size.map_or(self.page, |size| size as usize);
        let end = (start + size).min(self.items);
        (
            (start..end).collect(),
            (end < self.items).then(|| format!("t{end}")),
        )
    }
}

/// The result of a whole pagination.
#[derive(Debug, PartialEq)]
struct Outcome {
    items: Vec<usize>,
    pages: usize,
    resume: Option<String>,
}

fn paginate(service: &mut Service, config: &PaginationConfig) -> Result<Outcome, PaginateError> {
    let mut pagination = Pagination::new(config, None)?;
    let mut outcome = Outcome {
        items: Vec::new(),
        pages: 0,
        resume: None,
    };
    while let Some(request) = pagination.next_request()? {
        let (items, token) = service.answer(&request);
        let kept = pagination.accept(Some(items.len()), token.as_deref())?;
        outcome.items.extend_from_slice(&items[kept]);
        outcome.pages += 1;
    }
    assert!(pagination.is_over());
    outcome.resume = pagination
        .resume_token()
        .map(|token| String::from_utf8(base64::decode(token.as_bytes()).unwrap()).unwrap());
    Ok(outcome)
}

fn limited(max_items: i64) -> PaginationConfig {
    PaginationConfig::default().max_items(max_items)
}

#[test]
fn max_items_cuts_where_botocore_cuts() {
    let cases: [(i64, Range<usize>, usize, Option<&str>); 11] = [
        (
            2,
            0..2,
            1,
            Some(r#"{"nextToken": null, "boto_truncate_amount": 2}"#),
        ),
        (3, 0..3, 1, Some(r#"{"nextToken": "t3"}"#)),
        (
            4,
            0..4,
            2,
            Some(r#"{"nextToken": "t3", "boto_truncate_amount": 1}"#),
        ),
        (6, 0..6, 2, Some(r#"{"nextToken": "t6"}"#)),
        (7, 0..7, 3, None),
        (8, 0..7, 3, None),
        (i64::MAX, 0..7, 3, None),
        (
            0,
            0..0,
            1,
            Some(r#"{"nextToken": null, "boto_truncate_amount": 0}"#),
        ),
        (
            -1,
            0..2,
            1,
            Some(r#"{"nextToken": null, "boto_truncate_amount": -1}"#),
        ),
        (
            -3,
            0..0,
            1,
            Some(r#"{"nextToken": null, "boto_truncate_amount": -3}"#),
        ),
        (
            -9,
            0..0,
            1,
            Some(r#"{"nextToken": null, "boto_truncate_amount": -9}"#),
        ),
    ];
    for (max_items, items, requests, resume) in cases {
        let mut service = Service::seven();
        let outcome = paginate(&mut service, &limited(max_items)).unwrap();
        assert_eq!(
            outcome.items,
            items.collect::<Vec<_>>(),
            "MaxItems {max_items}"
        );
        assert_eq!(outcome.resume.as_deref(), resume, "MaxItems {max_items}");
        assert_eq!(service.requests.len(), requests, "MaxItems {max_items}");
        assert_eq!(outcome.pages, requests, "MaxItems {max_items}");
    }
}

#[test]
fn every_way_to_resume_reaches_every_item_once() {
    for step in 1..=8 {
        for page_size in [None, Some(1), Some(2), Some(5), Some(50)] {
            let mut items = Vec::new();
            let mut config = limited(step);
            config.page_size = page_size;
            loop {
                let mut pagination = Pagination::new(&config, None).unwrap();
                let mut service = Service::seven();
                while let Some(request) = pagination.next_request().unwrap() {
                    let (page, token) = service.answer(&request);
                    let kept = pagination
                        .accept(Some(page.len()), token.as_deref())
                        .unwrap();
                    items.extend_from_slice(&page[kept]);
                }
                match pagination.resume_token() {
                    Some(token) => config.starting_token = Some(token.to_owned()),
                    None => break,
                }
            }
            assert_eq!(
                items,
                [0, 1, 2, 3, 4, 5, 6],
                "steps of {step}, pages of {page_size:?}"
            );
        }
    }
}

#[test]
fn a_resumed_first_page_keeps_its_own_count() {
    let config = limited(1).starting_token(token::write(None, Some(1)));
    let outcome = paginate(&mut Service::seven(), &config).unwrap();
    assert_eq!(outcome.items, [1]);
    assert_eq!(
        outcome.resume.as_deref(),
        Some(r#"{"nextToken": null, "boto_truncate_amount": 2}"#)
    );
    // The count belongs to the first page alone.
    let config = limited(3).starting_token(token::write(None, Some(1)));
    let outcome = paginate(&mut Service::seven(), &config).unwrap();
    assert_eq!(outcome.items, [1, 2, 3]);
    assert_eq!(
        outcome.resume.as_deref(),
        Some(r#"{"nextToken": "t3", "boto_truncate_amount": 1}"#)
    );
}

#[test]
fn the_index_slices_as_python_does() {
    let cases = [
        (0, vec![0, 1, 2, 3, 4, 5, 6]),
        (2, vec![2, 3, 4, 5, 6]),
        (3, vec![3, 4, 5, 6]),
        (99, vec![3, 4, 5, 6]),
        (-1, vec![2, 3, 4, 5, 6]),
        (-9, vec![0, 1, 2, 3, 4, 5, 6]),
        (i128::from(i64::MAX), vec![3, 4, 5, 6]),
        (i128::from(i64::MIN), vec![0, 1, 2, 3, 4, 5, 6]),
    ];
    for (index, items) in cases {
        let config = PaginationConfig::default().starting_token(token::write(None, Some(index)));
        let outcome = paginate(&mut Service::seven(), &config).unwrap();
        assert_eq!((outcome.items, outcome.pages), (items, 3), "index {index}");
    }
}

#[test]
fn an_index_from_the_end_resumes_from_the_end() {
    let config = limited(1).starting_token(token::write(None, Some(-2)));
    let outcome = paginate(&mut Service::seven(), &config).unwrap();
    assert_eq!(outcome.items, [1]);
    assert_eq!(
        outcome.resume.as_deref(),
        Some(r#"{"nextToken": null, "boto_truncate_amount": -1}"#)
    );
}

#[test]
fn the_page_size_is_sent_as_it_is() {
    let mut pagination = Pagination::new(&limited(2).page_size(50), None).unwrap();
    let request = pagination.next_request().unwrap().unwrap();
    assert_eq!(
        request,
        PageRequest {
            token: None,
            page_size: Some(50)
        }
    );
    for size in [0, -1, i32::MIN] {
        let refused = Pagination::new(&PaginationConfig::default().page_size(size), None);
        assert!(matches!(refused, Err(PaginateError::Config(why)) if why.contains("at least 1")));
    }
}

#[test]
fn a_page_without_items_but_with_a_token_is_no_end() {
    let mut pagination = Pagination::new(&PaginationConfig::default(), None).unwrap();
    for (count, next) in [(Some(0), "a"), (None, "b")] {
        pagination.next_request().unwrap().unwrap();
        assert_eq!(pagination.accept(count, Some(next)).unwrap(), 0..0);
    }
    assert_eq!(
        pagination.next_request().unwrap().unwrap().token.as_deref(),
        Some("b")
    );
    pagination.accept(Some(1), Some("")).unwrap();
    assert_eq!(
        pagination.next_request().unwrap(),
        None,
        "an empty token is none"
    );
    assert_eq!(pagination.resume_token(), None);
}

#[test]
fn max_items_zero_on_an_empty_page_with_a_token_is_a_page_boundary() {
    let mut pagination = Pagination::new(&limited(0), None).unwrap();
    pagination.next_request().unwrap();
    pagination.accept(Some(0), Some("t0")).unwrap();
    assert_eq!(
        pagination.resume_token(),
        Some(token::write(Some("t0"), None).as_str())
    );
    let mut pagination = Pagination::new(&limited(0), None).unwrap();
    pagination.next_request().unwrap();
    pagination.accept(None, None).unwrap();
    assert_eq!(pagination.resume_token(), None);
}

/// A service that answers with one item and always the same token.
fn stuck(config: &PaginationConfig, token: &str) -> (usize, Option<PaginateError>, Option<String>) {
    let mut pagination = Pagination::new(config, None).unwrap();
    let mut pages = 0;
    let error = loop {
        match pagination.next_request() {
            Ok(Some(_)) => {
                pages += 1;
                assert_eq!(pagination.accept(Some(1), Some(token)).unwrap(), 0..1);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(pagination.next_request().unwrap(), None, "an error ends it");
    (pages, error, pagination.resume_token().map(str::to_owned))
}

#[test]
fn the_same_token_twice_is_an_error_after_the_page() {
    let twice = Some(PaginateError::SameTokenTwice("T".to_owned()));
    assert_eq!(
        stuck(&PaginationConfig::default(), "T"),
        (2, twice.clone(), None)
    );
    // The starting token does not count as received.
    let config = PaginationConfig::default().starting_token("T");
    assert_eq!(stuck(&config, "T"), (2, twice.clone(), None));
    // MaxItems is reached at that moment, which is checked first.
    let boundary = Some(token::write(Some("T"), None));
    assert_eq!(stuck(&limited(2), "T"), (2, None, boundary));
    assert_eq!(stuck(&limited(3), "T"), (2, twice, None));
}

#[test]
fn the_text_none_is_never_sent() {
    let none = Some(PaginateError::SameTokenTwice("None".to_owned()));
    assert_eq!(stuck(&PaginationConfig::default(), "None").1, none);
    for text in ["None", &token::write(Some("None"), None)] {
        let config = PaginationConfig::default().starting_token(text);
        let mut pagination = Pagination::new(&config, Some("own".to_owned())).unwrap();
        assert_eq!(
            pagination.next_request().unwrap().unwrap().token,
            None,
            "{text}"
        );
    }
    let config = limited(1).starting_token(token::write(Some("None"), None));
    let mut pagination = Pagination::new(&config, None).unwrap();
    pagination.next_request().unwrap();
    pagination.accept(Some(3), None).unwrap();
    assert_eq!(
        pagination.resume_token(),
        Some(token::write(Some("None"), Some(1)).as_str())
    );
}

#[test]
fn an_empty_starting_token_is_sent() {
    let config = PaginationConfig::default().starting_token("");
    let mut pagination = Pagination::new(&config, None).unwrap();
    assert_eq!(
        pagination.next_request().unwrap().unwrap().token.as_deref(),
        Some("")
    );
}

#[test]
fn a_starting_token_without_its_member_serves_until_its_page_is_cut() {
    let empty = base64::encode(b"{}");
    let whole = PaginationConfig::default().starting_token(&empty);
    assert_eq!(
        paginate(&mut Service::seven(), &whole).unwrap().items.len(),
        7
    );
    let later = limited(4).starting_token(&empty);
    assert_eq!(
        paginate(&mut Service::seven(), &later).unwrap().items,
        [0, 1, 2, 3]
    );
    let mut service = Service::seven();
    let error = paginate(&mut service, &limited(2).starting_token(&empty)).unwrap_err();
    assert!(matches!(error, PaginateError::StartingToken(_)), "{error}");
    assert_eq!(service.requests.len(), 1);
    let mut pagination = Pagination::new(&whole, Some("own".to_owned())).unwrap();
    assert_eq!(
        pagination.next_request().unwrap().unwrap().token.as_deref(),
        Some("own")
    );
}

#[test]
fn the_requests_own_token_is_part_of_the_bookkeeping() {
    let mut pagination = Pagination::new(&limited(1), Some("t3".to_owned())).unwrap();
    assert_eq!(
        pagination.next_request().unwrap().unwrap().token.as_deref(),
        Some("t3")
    );
    pagination.accept(Some(3), Some("t6")).unwrap();
    assert_eq!(
        pagination.resume_token(),
        Some(token::write(Some("t3"), Some(1)).as_str())
    );
    let null = PaginationConfig::default().starting_token(token::write(None, None));
    let mut pagination = Pagination::new(&null, Some("t3".to_owned())).unwrap();
    assert_eq!(
        pagination.next_request().unwrap().unwrap().token,
        None,
        "the starting token wins"
    );
}
