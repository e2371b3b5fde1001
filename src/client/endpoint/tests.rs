use super::*;

#[test]
fn a_server_is_named_in_several_ways() {
    for (text, url) in [
        ("web-1", "ws://web-1:8080/ws"),
        (" web-1 ", "ws://web-1:8080/ws"),
        ("web-1/", "ws://web-1:8080/ws"),
        ("web-1.", "ws://web-1.:8080/ws"),
        ("web_1.example.com:9000", "ws://web_1.example.com:9000/ws"),
        ("web-1:9000", "ws://web-1:9000/ws"),
        ("web-1:9000/", "ws://web-1:9000/ws"),
        ("web-1:9000/#cpu", "ws://web-1:9000/ws"),
        ("127.0.0.1", "ws://127.0.0.1:8080/ws"),
        ("::1", "ws://[::1]:8080/ws"),
        ("::", "ws://[::]:8080/ws"),
        ("2001:db8::7", "ws://[2001:db8::7]:8080/ws"),
        ("fe80::1:2", "ws://[fe80::1:2]:8080/ws"),
        ("[::1]:9000", "ws://[::1]:9000/ws"),
        ("[::1]", "ws://[::1]:8080/ws"),
        ("fe80::1%eth0", "ws://[fe80::1%eth0]:8080/ws"),
        ("[fe80::1%eth0]:9000", "ws://[fe80::1%eth0]:9000/ws"),
        ("ws://[fe80::1%2]:9000/ws", "ws://[fe80::1%2]:9000/ws"),
        ("ws://[fe80::1%251]:9000/ws", "ws://[fe80::1%251]:9000/ws"),
        (
            "http://[fe80::1%25eth0]:9000/",
            "ws://[fe80::1%eth0]:9000/ws",
        ),
        ("ws://web-1:9000", "ws://web-1:9000/"),
        ("ws://web-1", "ws://web-1:80/"),
        ("WS://web-1", "ws://web-1:80/"),
        ("ws://web-1/metrics/live", "ws://web-1:80/metrics/live"),
        ("wss://web-1", "wss://web-1:443/"),
        ("wss://[::1]:8443/ws", "wss://[::1]:8443/ws"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws"),
        ("http://web-1:8080", "ws://web-1:8080/ws"),
        ("HTTP://web-1", "ws://web-1:80/ws"),
        ("https://web-1", "wss://web-1:443/ws"),
        ("https://web-1/#memory", "wss://web-1:443/ws"),
        (
            "https://web-1/hosts/web-1/",
            "wss://web-1:443/hosts/web-1/ws",
        ),
        ("https://web-1/live", "wss://web-1:443/live"),
        ("ssh://web-1", "ssh://web-1/8080"),
        ("SSH://web-1", "ssh://web-1/8080"),
        ("ssh://ada@web-1:2222/9000", "ssh://ada@web-1:2222/9000"),
        ("ssh://web-1/9000/", "ssh://web-1/9000"),
        ("ssh://[2001:db8::7]/", "ssh://[2001:db8::7]/8080"),
        ("ssh://ada@fe80::1%eth0", "ssh://ada@[fe80::1%eth0]/8080"),
        ("web-1,web-2:9000", "ws://web-1:8080/ws,ws://web-2:9000/ws"),
        ("web-1, ::1", "ws://web-1:8080/ws,ws://[::1]:8080/ws"),
    ] {
        let endpoint = text.parse::<Endpoint>();
        let endpoint = endpoint.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(endpoint.to_string(), url, "{text}");
        // A printed address means the same when typed.
        assert_eq!(url.parse(), Ok(endpoint), "{url}");
    }
}

#[test]
fn a_refusal_says_what_to_write() {
    for (text, expected) in [
        ("", "'' is not a server address: write host, host:port"),
        (" ", "'' is not a server"),
        ("web 1", "'web 1' is not a server"),
        ("wéb 1", "'wéb 1' has a name that is not ASCII"),
        (
            "bücher.example",
            "'bücher.example' has a name that is not ASCII",
        ),
        ("web-1/a b", "'web-1/a b' is not a server"),
        (
            "web-1:http",
            "'web-1:http' has no valid port: write a number from 1 to 65535",
        ),
        ("web-1:99999", "'web-1:99999' has no valid port"),
        ("web-1:65536", "has no valid port"),
        ("web-1:-1", "has no valid port"),
        ("web-1:+1", "has no valid port"),
        ("web-1:", "has no valid port"),
        ("web-1:٨", "has no valid port"),
        ("web-1:8080:8080", "is not a server"),
        ("::1:8080", "'::1:8080' has no brackets: write [::1]:8080"),
        ("ws://::1:8080/ws", "has no brackets: write ws://[::1]:8080"),
        ("[::1", "is not a server"),
        ("[::1]8080", "is not a server"),
        ("[web-1]", "is not a server"),
        ("[fe80::1%]", "is not a server"),
        ("[fe80::1%a b]", "is not a server"),
        ("web-1%eth0", "is not a server"),
        ("//web-1", "is not a server"),
        ("ws:web-1", "has no valid port"),
        ("ws://", "is not a server"),
        ("http:///", "is not a server"),
        ("ssh://-oProxyCommand=x", "is not"),
        ("ssh://-v/8080", "is not an ssh address"),
        ("ssh://-l@web-1", "is not an ssh address"),
        ("ssh://ada:secret@web-1", "is not an ssh address"),
        ("ssh://a$(x)@web-1", "is not an ssh address"),
        ("ssh://web-1/ws", "is not an ssh address"),
        ("ssh://web-1/0", "port 0 cannot be connected to"),
        ("ssh://web-1/8080?last=3", "is not an ssh address"),
        ("ssh://@web-1", "is not an ssh address"),
        ("ssh://", "is not a server"),
        ("ftp://web-1", "'ftp://web-1' is not a server"),
        ("user:secret@web-1", "a name or password does not belong"),
        (
            "https://user:secret@web-1/",
            "a name or password does not belong",
        ),
        ("ws://web 1/?token=secret", "is not a server"),
        ("web-1:0", "port 0 cannot be connected to"),
        ("web-1,,web-2", "'' is not a server"),
        ("\u{1b}[31mweb", r"'\u{1b}[31mweb' is not a server"),
    ] {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("secret"), "{text}: {error}");
    }
}

#[test]
fn through_ssh_the_far_host_is_reached_on_its_loopback() {
    let address: Address = "ssh://ada@web-1/9000".parse().unwrap();
    assert_eq!(address.url(&Query::default()), "ws://127.0.0.1:9000/ws");
    assert_eq!(address.host(), "web-1");
}

#[test]
fn a_zone_is_used_to_connect_and_not_sent() {
    let address: Address = "ws://[fe80::1%eth0]:9000/ws".parse().unwrap();
    assert_eq!(address.host_port(), ("fe80::1%eth0".into(), 9000));
    assert_eq!(address.url(&Query::default()), "ws://[fe80::1]:9000/ws");
    assert_eq!(address.host(), "fe80::1");
}

#[test]
fn a_token_is_safe_on_loopback_and_inside_tls_and_ssh() {
    for (text, open) in [
        ("web-1", true),
        ("ws://192.0.2.7:8080/ws", true),
        ("http://192.0.2.7:8080/", true),
        ("localhost.evil.com", true),
        ("localhost", false),
        ("127.0.0.2:9000", false),
        ("[::1]:9000", false),
        ("::1", false),
        ("wss://web-1", false),
        ("https://web-1", false),
        ("ssh://web-1", false),
        ("localhost,web-1", true),
    ] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.open_address().is_some(), open, "{text}");
    }
}

#[test]
fn the_query_of_the_url_is_kept() {
    for text in ["ws://a:1/x?key=1", "http://a:1/x?key=1#cpu"] {
        let address: Address = text.parse().unwrap();
        let query = Query {
            last: Some(30),
            ..Query::default()
        };
        assert_eq!(address.url(&query), "ws://a:1/x?key=1&last=30");
        assert_eq!(address.url(&Query::default()), "ws://a:1/x?key=1");
    }
}

#[test]
fn the_page_is_beside_the_stream() {
    for (server, page) in [
        ("web-1", Some("http://web-1:8080/")),
        ("::1", Some("http://[::1]:8080/")),
        ("https://web-1/hosts/", Some("https://web-1:443/hosts/")),
        (
            "wss://web-1/hosts/ws?host=a",
            Some("https://web-1:443/hosts/"),
        ),
        ("ws://web-1:9000", Some("http://web-1:9000/")),
        ("ssh://web-1", None),
        (
            "ssh://web-1,web-1.backup",
            Some("http://web-1.backup:8080/"),
        ),
    ] {
        let server: Endpoint = server.parse().unwrap();
        assert_eq!(server.page().as_deref(), page, "{server}");
    }
}
