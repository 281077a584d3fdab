// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Addresses, connection strings and secrets")
struct ValueTests {
    @Test(
        "Addresses are read as they are written",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:65535", "::1", 65_535),
            ("db-1.example.org:1", "db-1.example.org", 1),
            ("localhost:8201", "localhost", 8201), ("[fe80::1:2]:7", "fe80::1:2", 7),
        ]
    )
    func addresses(text: String, host: String, port: Int) throws {
        let address = try #require(NetworkAddress(text))
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == text)
    }

    @Test(
        "What is no address",
        arguments: [
            "", ":", ":80", "host", "host:", "host:0", "host:65536", "host:+80", "host:８０", "host:80 ", " host:80",
            "::1:80",
            "[::1]80", "[host]:80", "a..b:80", "-a:80", "a-:80", "1.2.3:80", "1.2.3.256:80", "a b:80", "a:b:80",
            "host:000080",
            String(repeating: "a.", count: 130) + "a:80",
        ]
    )
    func notAddresses(_ text: String) {
        #expect(NetworkAddress(text) == nil)
    }

    private func connection(_ text: String) throws -> ConnectionString {
        let yaml = Fixture.minimal(replacing: "host=127.0.0.1 dbname=trunkline", with: "'" + text.doubled("'") + "'")
        return try ClusterSettings.parse(yaml: yaml).shards[0].connection
    }

    @Test(
        "Passwords in connection strings are masked in both forms",
        arguments: [
            ("host=h password=hunter2 dbname=d", "host=h password=*** dbname=d"),
            ("host=h password = 'hunter2 \\' x' dbname=d", "host=h password=*** dbname=d"),
            ("host = 'a b' dbname=d", "host='a b' dbname=d"),
            ("host=h dbname=d sslkey=k sslpassword=hunter2", "host=h dbname=d sslkey=k sslpassword=***"),
            ("postgresql://u:hunter2@h:1,[::1]:2/d", "user=u password=*** host=h,::1 port=1,2 dbname=d"),
            ("postgres://u:hun%74er2@h/d?sslmode=require", "user=u password=*** host=h dbname=d sslmode=require"),
            ("postgres:///d?password=hunter2&host=/run", "dbname=d password=*** host=/run"),
        ]
    )
    func masking(text: String, masked: String) throws {
        let connection = try self.connection(text)
        #expect(connection.masked == masked)
        #expect(connection.exposedText == text)
        for shown in ["\(connection)", String(reflecting: connection), dumped(connection)] {
            #expect(!shown.contains("hunter2"))
        }
    }

    @Test("A password from elsewhere is added so that libpq reads it back")
    func addingPassword() throws {
        let password = Secret("it's a \\ pass word&=%é")
        let keywords = try self.connection("host=h dbname=d").adding(password: password)
        #expect(keywords.exposedText == "host=h dbname=d password='it\\'s a \\\\ pass word&=%é'")
        let uri = try self.connection("postgresql://u@h/d").adding(password: password).exposedText
        #expect(uri == "postgresql://u@h/d?password=it%27s%20a%20%5C%20pass%20word%26%3D%25%C3%A9")
        let query = try self.connection("postgresql://u@h/d?sslmode=disable").adding(password: Secret("x"))
        #expect(query.exposedText == "postgresql://u@h/d?sslmode=disable&password=x")
    }

    @Test("A secret never shows itself")
    func secret() {
        let secret = Secret("hunter2hunter2hunter2")
        let resolved = ResolvedSecrets(
            mesh: secret,
            token: secret,
            redisPassword: secret,
            shardPasswords: ["a": secret]
        )
        for shown in ["\(secret)", String(reflecting: secret), dumped(secret), "\(resolved)", dumped(resolved)] {
            #expect(!shown.contains("hunter2"))
            #expect(!shown.contains("104"))
        }
        #expect(secret.exposedText == "hunter2hunter2hunter2")
    }
}

private func dumped(_ value: some Any) -> String {
    var text = ""
    dump(value, to: &text)
    return text
}

extension String {
    fileprivate func doubled(_ character: Character) -> String {
        self.map { $0 == character ? "\($0)\($0)" : String($0) }.joined()
    }
}
