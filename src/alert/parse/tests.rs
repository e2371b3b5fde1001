use proptest::prelude::*;

use super::*;

const GIB: f64 = 1_073_741_824.0;

fn parse(text: &str) -> Result<Rule, RuleError> {
    let known = KnownMetrics::catalogue().and(["queueDepth"]);
    parse_rule(text, &known)
}

/// A rule in short: name, metric, level, clear, hold and keep.
fn short(text: &str) -> String {
    let rule = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let level = |level: Threshold| format!("{}{}", level.side.sign(), level.number);
    let condition = match rule.condition {
        Condition::Absent => "absent".into(),
        Condition::Beyond { level: at, clear } => {
            let clear = clear.map(|clear| format!(" clear{}", level(clear)));
            level(at) + &clear.unwrap_or_default()
        }
    };
    let Rule {
        name,
        metric,
        hold,
        keep,
        ..
    } = rule;
    format!("{name} | {} {condition} {hold} {keep}", metric.as_str())
}

#[test]
fn rules_are_read() {
    for (text, expected) in [
        ("cpu > 90 for 30s", "cpu > 90 for 30s | cpu >90 30000 0"),
        ("cpu>90", "cpu>90 | cpu >90 0 0"),
        ("  cpu  >=  90 %  ", "cpu  >=  90 % | cpu >=90 0 0"),
        (
            "hot disk: disk:/var > 95% clear < 90",
            "hot disk | disk:/var >95 clear<90 0 0",
        ),
        (
            "memoryUsed > 12GiB",
            &format!("memoryUsed > 12GiB | memoryUsed >{} 0 0", 12.0 * GIB),
        ),
        // Of a rule's two numbers, one without a unit is in the other's.
        (
            "m: memoryUsed > 12 GiB clear < 10",
            &format!("m | memoryUsed >{} clear<{} 0 0", 12.0 * GIB, 10.0 * GIB),
        ),
        (
            "m: memoryUsed > 2GB clear < 900MB",
            "m | memoryUsed >2000000000 clear<900000000 0 0",
        ),
        ("c: cpu:* > 95 for 1m", "c | cpu:* >95 60000 0"),
        (
            "r: absent(requestsPerSecond) for 1m keep 5m",
            "r | requestsPerSecond absent 60000 300000",
        ),
        (
            "r: absent( \"disk:/a) b\" ) for 1s",
            "r | disk:/a) b absent 1000 0",
        ),
        (
            "k: cpu > 90 for 1 h 30 min clear <= 80 keep 5m",
            "k | cpu >90 clear<=80 5400000 300000",
        ),
        (
            "q: \"disk:/my files: \\\"new\\\"\" > 90",
            "q | disk:/my files: \"new\" >90 0 0",
        ),
        (
            "\"disk:/a: b\" > 90",
            "\"disk:/a: b\" > 90 | disk:/a: b >90 0 0",
        ),
        ("up: uptime < 10m", "up | uptime <600 0 0"),
        (
            "n: networkReceived > 10MiB/s",
            "n | networkReceived >10485760 0 0",
        ),
        ("e: networkErrors > 5/s", "e | networkErrors >5 0 0"),
        (
            "e: networkErrors > 5 1/s for 1s",
            "e | networkErrors >5 1000 0",
        ),
        ("t: temperature > -5.5°C", "t | temperature >-5.5 0 0"),
        ("l: load1 > 1e1", "l | load1 >10 0 0"),
        ("own: queueDepth >= 100", "own | queueDepth >=100 0 0"),
        ("short: cpu > 90 for 100us", "short | cpu >90 1 0"),
        ("tab:\tcpu\t>\t90", "tab | cpu >90 0 0"),
    ] {
        assert_eq!(short(text), expected, "{text}");
    }
}

/// Rules that are refused: the text, the column, and what is said about it.
const REFUSED: [(&str, usize, &str); 72] = [
    (
        "",
        1,
        "the rule ends before its metric: write a rule such as cpu > 90 for 30s",
    ),
    ("name: ", 7, "the rule ends before its metric"),
    (
        ": cpu > 90",
        1,
        "no name before the colon: write NAME: cpu > 90",
    ),
    ("cpu: > 90", 6, "here should be the metric"),
    ("> 90", 1, "here should be the metric"),
    (
        "cpuu > 90",
        1,
        "no metric 'cpuu' is known; the nearest is cpu: write cpu",
    ),
    (
        "hot: memori > 90",
        6,
        "no metric 'memori' is known; the nearest is memory",
    ),
    ("absent(cpux) for 1m", 8, "the nearest is cpu"),
    (
        "frobnicate > 1",
        1,
        "no metric 'frobnicate' is known: write one that samples carry, such as cpu, iowait",
    ),
    (
        "a: cpu: > 1",
        4,
        "nothing follows the colon of 'cpu:': write cpu, or cpu:* for each instance",
    ),
    (
        "memory:0 > 1",
        1,
        "memory has no instances: write memory instead of 'memory:0'",
    ),
    ("cp* > 1", 1, "the * is before the colon"),
    (
        "cpuu:* >= 0",
        1,
        "no metric 'cpuu:*' is known; the nearest is cpu: write cpu:*",
    ),
    ("dsk:/var > 5", 1, "write disk:/var"),
    ("\"dsk:/a b\" > 5", 1, "write \"disk:/a b\""),
    ("memori:0 > 5", 1, "the nearest is memory: write memory"),
    (
        "memory > 12GiB",
        12,
        "memory is measured in %, not in 'GiB': write memoryUsed > 12GiB",
    ),
    ("memoryAvailable > 5%", 20, "write memoryAvailable > 5GiB"),
    (
        "cpu>90for 1m",
        7,
        "'for' needs spaces around it: write it as in cpu > 90 for",
    ),
    ("cpu > 90%for 1m", 9, "'for' needs spaces"),
    ("cpu > 90 for1m", 10, "'for' needs spaces"),
    ("cpu > 90% for1m", 11, "'for' needs spaces"),
    (
        "cpu > 90 for 1m clear<80",
        17,
        "'clear' needs spaces around it: write it as in cpu > 90 clear <",
    ),
    (
        "disk:/a: > 5",
        10,
        "'disk:/a' was read as the rule's name: if it is the metric, write \"disk:/a:\" > 5",
    ),
    (
        "hot disk: disk:/var: > 5",
        11,
        "'disk:/var:' ends with a colon: if that belongs to the metric, write \"disk:/var:\" in quotes",
    ),
    (
        "disk:/my files > 90",
        10,
        "a metric with spaces needs quotes, as in \"disk:/my files\" > 90",
    ),
    ("my \"hot\" one: cpu > 5", 4, "a name has no quotes"),
    ("\"hot\": cpu > 5", 1, "a name has no quotes"),
    ("\"hot\" one: cpu > 5", 1, "a name has no quotes"),
    ("x\": cpu > 5", 2, "a name has no quotes"),
    ("x\": \"disk:/a\" > 5", 2, "a name has no quotes"),
    ("Default", 1, "the shipped list is called default"),
    ("defaults", 1, "the shipped list is called default"),
    ("absent(\"a: b\") for 1m", 8, "no metric 'a: b' is known"),
    ("\"a\\\": b\" > 5", 1, "no metric 'a\": b' is known"),
    (
        "cpu > 5GiB",
        8,
        "cpu is measured in %, not in 'GiB': write cpu > 5%",
    ),
    (
        "memoryUsed > 50%",
        16,
        "memoryUsed is measured in B, not in '%': write memory > 50%",
    ),
    (
        "networkSent > 5MiB",
        16,
        "is measured in B/s, not in 'MiB': write networkSent > 5MiB/s",
    ),
    (
        "load1 > 5%",
        10,
        "load1 is a plain number, without the unit '%': write load1 > 5",
    ),
    ("cpu > 1,000", 8, "not in ',000': write cpu > 1%"),
    ("cpu > 90 until 5m", 10, "not in 'until'"),
    ("cpu", 4, "here should be >, >=, < or <=: write cpu > 90%"),
    (
        "cpu 90",
        5,
        "here should be >, >=, < or <=: write cpu > 90%",
    ),
    ("cpu == 90", 5, "'==' is no comparison"),
    ("cpu => 90", 5, "'=>' is no comparison"),
    ("cpu >", 6, "here should be a number: write cpu > 90%"),
    ("cpu > for 5m", 7, "'for' is not a number"),
    ("cpu > NaN", 7, "'NaN' is not a number: write cpu > 90%"),
    ("cpu > inf", 7, "'inf' is not a number"),
    ("cpu > -", 7, "'-' is not a number"),
    ("cpu > 1e999", 7, "'1e999' is too large"),
    (
        "cpu > 90% for",
        14,
        "here should be a duration: write for 30s",
    ),
    ("cpu > 90 for 30", 14, "'30' has no unit: write 30s"),
    ("cpu > 90 for soon", 14, "'soon' is not a duration"),
    ("cpu > 90 keep 5m for 1m", 18, "'for' is in the wrong place"),
    ("cpu > 90 for 1m for 2m", 17, "'for' is in the wrong place"),
    (
        "cpu > 90% and memory > 5",
        11,
        "'and' is not understood here",
    ),
    (
        "cpu > 90 clear < 95",
        10,
        "true and cleared at once: write clear <= 90%",
    ),
    ("cpu > 90 clear > 80", 10, "write clear <= 90%"),
    ("cpu < 10 clear <= 20", 10, "write clear >= 10%"),
    (
        "memoryUsed > 5GiB clear < 40%",
        29,
        "memoryUsed is measured in B, not in '%'",
    ),
    (
        "absent(cpu)",
        12,
        "absent() needs a time: write absent(cpu) for 1m",
    ),
    ("absent(cpu) for 0s", 19, "absent() needs a time"),
    (
        "absent(cpu for 1m",
        11,
        "absent( is not closed: write absent(cpu) for 1m",
    ),
    ("absent(cpu:*) for 1m", 8, "absent() takes one metric"),
    ("absent(cpu) > 5", 13, "'>' is not understood here"),
    (
        "absent(cpu) for 1m clear < 5",
        20,
        "absent() has no level to clear",
    ),
    ("\"disk:/x > 90", 1, "the quote is not closed"),
    ("\"disk:/x\\", 1, "the quote is not closed"),
    ("é: cpuu > 5", 4, "the nearest is cpu"),
    (
        "cpu\u{1b}[2J > 5",
        4,
        r"the character '\u{1b}' cannot be seen",
    ),
    (
        "a\u{202e}b: cpu > 5",
        2,
        r"the character '\u{202e}' cannot be seen",
    ),
];

#[test]
fn a_refusal_gives_the_place_and_the_fix() {
    for (text, column, expected) in REFUSED {
        let error = parse(text).expect_err(text);
        assert!(error.problem.contains(expected), "{text}: {error}");
        assert_eq!(error.column, column, "{text}: {error}");
    }
    let error = parse(&format!("{}: cpu > 5", "x".repeat(1000))).unwrap_err();
    assert!(error.problem.contains("at most 1000 bytes"), "{error}");
}

#[test]
fn no_advice_is_a_rule_about_a_metric_that_may_not_exist() {
    for text in [
        "cpuu 90",
        "Default",
        "cpuu > many",
        "cpuu >",
        "disk:/x",
        "absent(x",
        "absent(x)",
    ] {
        let problem = parse_rule(text, &KnownMetrics::any()).unwrap_err().problem;
        let (_, advice) = problem.rsplit_once("write ").unwrap();
        let advice = advice.trim_start_matches("a rule such as ");
        assert!(parse(advice).is_ok(), "{text}: {problem}");
    }
}

#[test]
fn metrics_that_are_not_known_yet_pass_with_any_unit() {
    let rule = parse_rule("later > 5 bananas clear < 4", &KnownMetrics::any()).unwrap();
    assert_eq!(rule.threshold(), Some(5.0));
    assert!(parse_rule("cpu > 5GiB", &KnownMetrics::any()).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in r#"[ a-z:>=<"\\*()%0-9.]{0,60}|.{0,60}"#) {
        for known in [KnownMetrics::catalogue(), KnownMetrics::any()] {
            if let Err(error) = parse_rule(&text, &known) {
                prop_assert!(!error.to_string().contains(char::is_control));
                prop_assert!(1 <= error.column && error.column <= text.chars().count() + 1);
            }
        }
    }

    #[test]
    fn a_rule_is_read_as_it_was_meant(
        name in "[a-z][a-z ]{0,9}[a-z]", number in -1e9..1e9_f64, hold in 0..100_000_u64, keep in 0..100_000_u64,
    ) {
        let rule = parse(&format!("{name}: \"disk:/a b\" < {number}% for {hold}ms keep {keep}ms")).unwrap();
        prop_assert_eq!(rule.name, name);
        prop_assert_eq!(rule.metric.as_str(), "disk:/a b");
        let level = Threshold { side: Side::Below, number };
        prop_assert_eq!(rule.condition, Condition::Beyond { level, clear: None });
        prop_assert_eq!((rule.hold, rule.keep), (hold, keep));
    }
}
