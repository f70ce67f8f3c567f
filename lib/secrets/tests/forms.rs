//! The forms in which files hold secrets, and what only looks like one.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test"
)]

use std::path::Path;

use secrets::{Finding, Kind, Unread, look};

#[track_caller]
fn found(name: &str, text: &str) -> Vec<Finding> {
    look(Path::new(name), text.as_bytes()).0
}

/// Each file holds one secret, on its last line that is not empty.
#[track_caller]
fn holds(kind: Kind, files: &[(&str, &str)]) {
    for (name, text) in files {
        let found = found(name, text);
        assert!(
            found.iter().any(|finding| finding.kind == kind),
            "{name}: {text}: {found:?}"
        );
    }
}

#[track_caller]
fn holds_none(files: &[(&str, &str)]) {
    for (name, text) in files {
        assert_eq!(found(name, text), [], "{name}: {text}");
    }
}

#[test]
fn values_are_found_in_every_language_of_settings() {
    holds(
        Kind::Assigned,
        &[
            ("app.conf", "password=hunter2"),
            ("app.sh", "export DB_PASSWORD='hunter2'"),
            ("app.sh", "PGPASSWORD=hunter2 psql -c 'SELECT 1'"),
            ("app.ini", "[db]\nPassword = hunter2 ; the old one"),
            ("app.ini", "auth.Token = 12345"),
            ("app.properties", "spring.datasource.password=hunter2"),
            ("app.properties", "db.password: hunter2"),
            ("app.toml", "password = \"hunter2\""),
            ("app.toml", "db = { user = \"app\", password = 'hunter2' }"),
            ("app.toml", "token = 12345"),
            ("app.toml", "password = \"\"\"hunter2\"\"\""),
            ("app.yaml", "db:\n  - db_password: hunter2"),
            ("app.yaml", "password: \"hunter2\" # until May"),
            ("app.yaml", "private_key: |\n  c2VjcmV0c2VjcmV0\n"),
            ("app.yaml", "password: >-\n  hunter2\n"),
            (
                "compose.yaml",
                "environment:\n  - POSTGRES_PASSWORD=hunter2",
            ),
            (
                "k8s.yaml",
                "env:\n  - name: DB_PASSWORD\n    value: hunter2",
            ),
            (
                "k8s.yaml",
                "env:\n  - name: \"DB_PASSWORD\"\n    value: hunter2",
            ),
            (
                "secret.yaml",
                "kind: Secret\ndata:\n  password: aHVudGVyMg==",
            ),
            ("app.json", "{\"password\":\"hunter2\"}"),
            ("app.json", "{\n  \"api-key\" :\n    \"8f3\"\n}"),
            (
                "app.json",
                "{\"name\": \"DB_PASSWORD\", \"value\": \"hunter2\"}",
            ),
            ("app.json", r#"{"raw": "{\"password\":\"hunter2\"}"}"#),
            ("app.xml", "<password>hunter2</password>"),
            ("app.xml", "<db:password>\n  hunter2\n</db:password>"),
            (
                "app.xml",
                "<password encrypted=\"no\"><![CDATA[hunter2]]></password>",
            ),
            ("app.xml", "<db user=\"app\" password=\"hunter2\"/>"),
            ("web.config", "<add key=\"DbPassword\" value=\"hunter2\" />"),
            (
                "hibernate.xml",
                "<property name=\"connection.password\">hunter2</property>",
            ),
            (
                "persistence.xml",
                "<property name=\"javax.persistence.jdbc.password\" value=\"hunter2\"/>",
            ),
            (
                "app.config",
                "<setting name=\"Password\"><value>hunter2</value></setting>",
            ),
            ("settings.py", "SECRET_KEY = \"8f3\""),
            (
                "settings.py",
                "DATABASES = {'default': {'PASSWORD': 'hunter2'}}",
            ),
            ("settings.py", "password: str = 'hunter2'"),
            (
                "settings.py",
                "os.environ.get(\"DB_PASSWORD\", \"hunter2\")",
            ),
            ("app.js", "const apiKey = 'hunter2';"),
            ("app.ts", "clientSecret: `hunter2`,"),
            ("config.php", "'password' => 'hunter2',"),
            ("wp-config.php", "define( 'DB_PASSWORD', 'hunter2' );"),
            ("database.rb", "config.password = \"hunter2\""),
            ("main.go", "password := \"hunter2\""),
            ("Main.java", "String password = \"hunter2\";"),
            ("main.tf", "password = \"hunter2\""),
            (".my.cnf", "[client]\nuser=app\npassword=hunter2"),
            (".npmrc", "//packages.example.com/:_authToken=0f3c1"),
            (".pypirc", "[pypi]\npassword = hunter2"),
            ("redis.conf", "requirepass hunter2"),
            ("named.conf", "  secret \"aHVudGVyMg==\";\n"),
            (
                "credentials",
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY",
            ),
            ("dsn.txt", "host=db user=app password=hunter2 dbname=app"),
            ("dsn.txt", "password='it''s' host=db"),
            (
                "jdbc.txt",
                "jdbc:postgresql://db/app?user=app&password=hunter2",
            ),
            (
                "ado.txt",
                "Server=db;User Id=app;Password=hunter2;Database=app",
            ),
            (
                "azure.txt",
                "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=aGVsbG8taGVsbG8=",
            ),
            ("notes", "--password=hunter2"),
        ],
    );
}

#[test]
fn urls_and_connection_strings_with_a_password_are_found() {
    holds(
        Kind::Url,
        &[
            ("app.toml", "url = \"postgres://app:hunter2@db/app\""),
            ("app.toml", "redis://:hunter2@cache"),
            ("a", "amqp://app:hunter2@mq:5672/vhost"),
            ("a", "mongodb+srv://app:hunter2@cluster.example.net/app"),
            ("a", "postgres://app:p%40ss@db/app"),
            ("a", "postgres://app:pa/ss@db/app"),
            ("a", "https://app:hunter2@example.org/x.git"),
            ("a", "jdbc:mysql://app:hunter2@db/app"),
        ],
    );
    holds(
        Kind::ConnectionString,
        &[
            ("main.go", "app:hunter2@tcp(db:3306)/app"),
            ("a", "jdbc:oracle:thin:scott/tiger@//db:1521/app"),
        ],
    );
}

#[test]
fn password_files_are_known_by_their_lines_under_any_name() {
    holds(
        Kind::PasswordLine(".pgpass"),
        &[
            ("pgpass.txt", "db:5432:app:app:hunter2"),
            ("x", "# of the team\n*:*:*:app:it\\:s"),
        ],
    );
    holds(
        Kind::PasswordLine(".netrc"),
        &[
            (
                "netrc.txt",
                "machine example.org login app password hunter2",
            ),
            (
                "x",
                "machine example.org\n  login app\n  password hunter2\n",
            ),
            ("x", "default login app password hunter2"),
        ],
    );
    holds(
        Kind::PasswordHash,
        &[
            ("users", "app:$apr1$x7wPzv1t$7aVvPZ3ZXLkzJ2b0m8bZV."),
            (
                "users",
                "app:$2y$10$WmqWz0nVkcYy0eXxk6oYzO0yOJ0b1Tz2gI9Vb9dD6",
            ),
            ("users", "app:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs="),
            ("x", "root:$6$Zx8$k2Tn1e0bP0oY1vDk:19000:0:99999:7:::"),
        ],
    );
    holds(
        Kind::Credentials,
        &[
            (
                "config.json",
                "{\"auths\": {\"r.example.org\": {\"auth\": \"YXBwOmh1bnRlcjI=\"}}}",
            ),
            ("a.http", "Authorization: Bearer 8f3c0a1b2d"),
            ("a.json", "\"Authorization\": \"Basic YXBwOmh1bnRlcjI=\""),
            ("x.sh", "curl -s -u app:hunter2 https://example.org"),
        ],
    );
    for name in [
        ".env",
        ".env.production",
        "prod.env",
        "server.KEY",
        "server.pem",
        "id_ed25519",
        ".pgpass",
        ".netrc",
        ".htpasswd",
        "app.p12",
        "store.jks",
        ".git-credentials",
        "x.kdbx",
        "key.ppk",
    ] {
        let found = found(name, "");
        assert!(
            matches!(
                found[..],
                [Finding {
                    line: None,
                    kind: Kind::File(_)
                }]
            ),
            "{name}"
        );
    }
}

#[test]
fn references_and_names_are_no_secrets() {
    holds_none(&[
        (
            "lockstep.toml",
            "database = { env = \"DATABASE_URL\" }\n[env.SECRET_KEY]\nkind = \"secret\"\nmin_length = 32\n\
          must_differ_from = \"SESSION_KEY\"\n[env.API_TOKEN]\nkind = \"secret\"\n[backup]\nfiles = [\"lockstep.toml\"]",
        ),
        (
            "app.toml",
            "password = \"${PASSWORD}\"\ntoken = { env = \"TOKEN\" }\nsecret = \"\"\npassword_file = \"/run/x\"",
        ),
        (
            "app.toml",
            "password = \"$PASSWORD\"\nsecret = \"%SECRET%\"\ntoken = '{{ token }}'\napi_key = \"<your key>\"",
        ),
        (
            "app.toml",
            "password = \"/run/secrets/db_password\"\nprivate_key = \"~/.ssh/id_key.pem\"",
        ),
        (
            "app.toml",
            "password = \"***\"\ntoken = \"changeme\"\nsecret = \"your-secret-here\"",
        ),
        (
            "app.toml",
            "url = \"postgres://app@db:5432/app\"\nurl2 = \"postgres://app:${PASSWORD}@db/app\"",
        ),
        (
            "app.toml",
            "url = \"postgres://app:<password>@db/app\"\nb = \"postgres://app:$PASSWORD@db\"",
        ),
        (
            "app.toml",
            "see https://example.org:8080/a@b and postgres://db:5432/a@b",
        ),
        (
            "app.yaml",
            "password: # none\nmax_tokens: 5\ntoken_ttl: 60\nsort_key: name\npassword_min_length = 12",
        ),
        (
            "app.yaml",
            "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nsecret: !Ref Secret\ntoken: *token",
        ),
        (
            "app.yaml",
            "password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsecret: vault:secret/app#key",
        ),
        (
            "app.yaml",
            "secretKeyRef:\n  name: db\n  key: password\nsecrets:\n  - db_password",
        ),
        (
            "app.yaml",
            "password:\n  from_env: DB_PASSWORD\ntoken: null\nsecret: true\npasswords: []",
        ),
        (
            "app.yaml",
            "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db, key: pw}",
        ),
        (
            "ci.yaml",
            "password: ${{ secrets.DB_PASSWORD }}\ntoken: $CI_JOB_TOKEN",
        ),
        (
            "app.json",
            "{\"password\": \"\", \"token\": null, \"secret\": {\"type\": \"string\"}, \"password2\": \"string\"}",
        ),
        (
            "schema.json",
            "{\"required\": [\"password\", \"token\", \"api_key\"]}",
        ),
        (
            "app.xml",
            "<password></password><token>${token}</token><secret/>\n<input type=\"password\" name=\"password\"/>",
        ),
        ("app.xml", "<label for=\"password\">Password</label>"),
        (
            "app.py",
            "SECRET_KEY = os.environ[\"SECRET_KEY\"]\ntoken = None\npassword = getpass()\nuser.password == 'x'",
        ),
        (
            "app.py",
            "def login(password: str, token=None):\n    self.password = password\nhide(\"password\", \"token\")",
        ),
        (
            "app.rs",
            "token: Token,\nlet secret = parser.secret();\npassword::check();",
        ),
        (
            "app.ts",
            "password?: string;\ntoken: string = process.env.TOKEN;",
        ),
        (
            "app.ini",
            "secret = DB_PASSWORD\npassword = ${DB_PASSWORD}\ncredentials = file:///etc/app/credentials",
        ),
        (
            "app.ini",
            "; password = the one that the team keeps in the vault",
        ),
        (
            "compose.yaml",
            "ports:\n  - 127.0.0.1:5432:5432\npassword_file: /run/secrets/db",
        ),
        ("passwd", "root:x:0:0:root:/root:/bin/bash"),
        (
            "README",
            "The password is kept elsewhere, and so is each token: ask somebody.",
        ),
        (".env.example", "SECRET=\nPASSWORD=write yours here"),
        ("app.conf", "pass\nproxy_pass http://backend;\npassword\n"),
        ("monkey", "keys"),
        ("users", "app:x\nother:*"),
    ]);
}

#[test]
fn an_example_may_show_a_value_but_no_live_key() {
    let token = format!("ghp_{}", "k3Zq9Lm2Xp7Vb5Nc8Rt1".repeat(2));
    assert_eq!(found("app.toml.example", "password = \"hunter2\""), []);
    holds(
        Kind::Token("GitHub"),
        &[(".env.example", &format!("TOKEN={token}"))],
    );
    holds(Kind::Url, &[("a.sample", "postgres://app:hunter2@db/app")]);
}

#[test]
fn the_finding_names_line_and_kind_and_nothing_of_the_value() {
    let text = "a = 1\r\n\r\nb = 2\r\npassword = \"hunter2\"\r\nurl = \"redis://:hunter2@db\"\r\n";
    let found = found("app.toml", text);
    let lines: Vec<_> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [Some(4), Some(5)]);
    let said: String = found
        .iter()
        .map(|finding| format!("{finding:?} {}", finding.kind))
        .collect();
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(
        look(Path::new("a.ini"), b"a=1\rpassword=hunter2\r").0[0].line,
        Some(2)
    );
}

#[test]
fn text_of_every_encoding_is_read() {
    let text = "schlüssel = 1\npassword = \"hunter2\"\n";
    let utf16 = |big: bool| -> Vec<u8> {
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let marked = |mark: [u8; 2], bytes: Vec<u8>| [mark.to_vec(), bytes].concat();
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        marked([0xff, 0xfe], utf16(false)),
        marked([0xfe, 0xff], utf16(true)),
        utf16(false),
        utf16(true),
        b"schl\xfcssel = 1\npassword = \"hunter2\"\n".to_vec(),
    ] {
        let (found, unread) = look(Path::new("app.toml"), &bytes);
        assert_eq!((found.len(), unread), (1, None), "{bytes:?}");
        assert_eq!((found[0].line, found[0].kind), (Some(2), Kind::Assigned));
    }
}

#[test]
fn what_can_not_be_read_is_said() {
    for (bytes, form) in [
        (&b"\x1f\x8b\x08\0rest"[..], "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ] {
        let (found, unread) = look(Path::new("x"), bytes);
        assert_eq!((found, unread), (vec![], Some(Unread::Packed(form))));
    }
    let (found, unread) = look(
        Path::new("x"),
        b"\x7fELF\x02\0\0\0\0\x01\x02\xff password=hunter2",
    );
    assert_eq!((found, unread), (vec![], Some(Unread::Binary)));
    // A key stands out there too.
    let key = format!("\0\x01\x02\0-----BEGIN {} KEY-----\0", "RSA PRIVATE");
    let (found, _) = look(Path::new("x"), key.as_bytes());
    assert_eq!(found[0].kind, Kind::PrivateKey);
}

#[test]
fn a_secret_is_seen_wherever_the_pieces_are_cut() {
    let padding = "x\n".repeat(700_000);
    let text = format!("{padding}password = hunter2\n");
    for size in [1 << 16, 999_983] {
        let mut scan = secrets::Scan::new(Path::new("app.conf"));
        text.as_bytes()
            .chunks(size)
            .for_each(|piece| scan.feed(piece));
        let (found, _) = scan.finish();
        assert_eq!(
            found,
            [Finding {
                line: Some(700_001),
                kind: Kind::Assigned
            }],
            "{size}"
        );
    }
}

#[test]
fn no_text_makes_it_panic() {
    // Every prefix and suffix of text that has one of everything, with letters of several bytes.
    let text = "é\"password\": \\\"ü\\\", <pässword>ö</password> token=>'ß secret:|\n  é auth=\"é\" machine é password é \
                password \"é postgres://é:é@é jdbc:oracle:thin:é/é@ é@tcp( define('DB_PASSWORD','é') name=\"token\" valueé=é";
    for (at, _) in text.char_indices() {
        look(Path::new("x"), &text.as_bytes()[at..]);
        look(Path::new("x"), &text.as_bytes()[..at]);
        look(Path::new("x"), &text.as_bytes()[..at + 1]);
    }
}

#[test]
fn a_variable_that_shows_a_password_is_known() {
    for value in [
        "postgres://app:hunter2@db/app",
        "host=db password=hunter2",
        "Server=db;Password=hunter2",
    ] {
        assert!(secrets::shows_password(value), "{value}");
    }
    for value in [
        "",
        "/usr/bin:/bin",
        "postgres://app@db/app",
        "tcp://127.0.0.1:2375",
        "a=b",
    ] {
        assert!(!secrets::shows_password(value), "{value}");
    }
}
