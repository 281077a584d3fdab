// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Redis

@Suite("Search for the primary")
struct PrimarySearchTests {
    private static func address(_ name: String) -> RedisAddress { RedisAddress(host: name, port: 1) }

    /// What the steps are, in short: `a` connects to it, `?a` asks it.
    private static func text(_ step: PrimarySearch.Step?) -> String {
        switch step {
        case .connect(let address): address.host
        case .ask(let sentinel): "?\(sentinel.host)"
        case nil: "-"
        }
    }

    private func servers(_ names: String...) -> PrimarySearch {
        PrimarySearch(.servers(names.map(Self.address)))
    }

    private func sentinels(_ names: String...) -> PrimarySearch {
        PrimarySearch(.sentinels(names.map(Self.address), primaryName: "main", password: nil))
    }

    /// Lets steps fail until the round is over. Returns them.
    private func round(_ search: inout PrimarySearch, told: [String: String] = [:]) -> [String] {
        var steps: [String] = []
        while steps.count < 20 {
            steps.append(Self.text(search.nextStep))
            var verdict: PrimarySearch.Verdict
            if case .ask(let sentinel) = search.nextStep, let primary = told[sentinel.host] {
                verdict = search.sentinelAnswered(Self.address(primary))
            } else {
                verdict = search.stepFailed()
            }
            if verdict == .roundIsOver { break }
        }
        return steps
    }

    @Test("One server: every failure ends a round")
    func one() {
        var search = self.servers("a")
        #expect(self.round(&search) == ["a"])
        #expect(self.round(&search) == ["a"])
        search.connectionEnded()
        #expect(self.round(&search) == ["a"])
    }

    @Test("Every server has its turn before there is a pause")
    func rounds() {
        var search = self.servers("a", "b", "c")
        #expect(self.round(&search) == ["a", "b", "c"])
        #expect(self.round(&search) == ["a", "b", "c"])
    }

    @Test("After a connection that lived the next server comes first, and its own has the last turn")
    func ended() {
        var search = self.servers("a", "b", "c")
        let first = search.stepFailed()
        #expect(first == .goOn)
        #expect(Self.text(search.nextStep) == "b")
        search.connectionEnded()
        #expect(self.round(&search) == ["c", "a", "b"])
    }

    @Test("A connection that ended at once is a failure like others: the round goes on where it was")
    func shortLived() {
        var search = self.servers("a", "b", "c")
        let first = search.stepFailed()
        let second = search.stepFailed()
        let third = search.stepFailed()
        #expect([first, second, third] == [.goOn, .goOn, .roundIsOver])
    }

    @Test("Sentinels are asked in turn, and what one says is tried")
    func sentinelsInTurn() {
        var search = self.sentinels("s", "t", "u")
        #expect(self.round(&search) == ["?s", "?t", "?u"])
        #expect(self.round(&search, told: ["t": "a"]) == ["?s", "?t", "a", "?u"])
    }

    @Test("A server that failed is not dialled again in the same round, whoever names it")
    func sameAnswer() {
        var search = self.sentinels("s", "t", "u")
        #expect(self.round(&search, told: ["s": "a", "t": "a", "u": "a"]) == ["?s", "a", "?t", "?u"])
        // In the next round it is: it may have become the primary.
        #expect(self.round(&search, told: ["s": "a", "t": "a", "u": "b"]) == ["?s", "a", "?t", "?u", "b"])
    }

    @Test("The sentinel that knew the primary is the first to be asked again")
    func sentinelFirst() {
        var search = self.sentinels("s", "t", "u")
        let first = search.stepFailed()
        let second = search.sentinelAnswered(Self.address("a"))
        #expect([first, second] == [.goOn, .goOn])
        #expect(Self.text(search.nextStep) == "a")
        search.connectionEnded()
        #expect(self.round(&search, told: ["t": "a"]) == ["?t", "a", "?u", "?s"])
    }

    @Test("Without an address there is nothing to be tried")
    func none() {
        let search = PrimarySearch(.servers([]))
        #expect(search.nextStep == nil)
    }

    @Test("The error of a round tells every reason once, and a refused password before others")
    func errorOfRound() {
        let away = RedisError(.unavailable, "a is away.")
        let replica = RedisError(.notPrimary, "b is a replica.")
        let refused = RedisError(.authenticationRefused, "c refuses.")
        #expect(RedisError.ofRound([away]) == away)
        #expect(RedisError.ofRound([away, replica, away]).message == "a is away. b is a replica.")
        #expect(RedisError.ofRound([refused, away]).code == .authenticationRefused)
        #expect(RedisError.ofRound([]).code == .unavailable)
    }
}

@Suite("What servers and sentinels say of themselves")
struct ServerIdentityTests {
    private static func bulk(_ text: String) -> RedisValue { .string(Array(text.utf8)) }

    @Test("Role and life of a server")
    func roles() {
        let life = String(repeating: "a", count: 40)
        let server = Self.bulk("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:\(life)\r\n")
        let primary = ServerIdentity(
            server: server,
            replication: Self.bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid2:0000\r\n")
        )
        #expect(primary.role == .primary && primary.runID == life && primary.formerReplication == "0000")
        let replica = ServerIdentity(server: server, replication: Self.bulk("role:slave\r\nmaster_host:10.0.0.1\r\n"))
        #expect(replica.role == .replica)
        let sentinel = ServerIdentity(server: Self.bulk("redis_mode:sentinel\r\n"), replication: .error("ERR"))
        #expect(sentinel.role == .sentinel)
        for odd in [RedisValue.null, .error("NOPERM"), .integer(1), Self.bulk(""), Self.bulk("role:lord")] {
            #expect(ServerIdentity(server: odd, replication: odd).role == .unknown)
        }
    }

    @Test("Which answers only a server gives that is no primary")
    func noPrimary() {
        for text in [
            "READONLY You can't write against a read only replica.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "LOADING Redis is loading the dataset in memory",
            "ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write against a read only replica.",
        ] {
            #expect(RedisValue.error(text).isAnswerOfNoPrimary, "\(text)")
            #expect(!RedisValue.status(text).isAnswerOfNoPrimary)
        }
        for text in ["ERR unknown command", "NOSCRIPT No matching script", "READONLYX", "OOM command not allowed"] {
            #expect(!RedisValue.error(text).isAnswerOfNoPrimary, "\(text)")
        }
    }

    @Test("Replicas as a primary lists them")
    func replicas() {
        let information = RedisInformation(
            """
            role:master\r
            connected_slaves:2\r
            slave0:ip=10.0.0.2,port=6379,state=online,offset=7,lag=0\r
            slave1:ip=::1,port=6380,state=wait_bgsave,offset=0,lag=0\r
            """
        )
        #expect(information.replicas?.map(\.address) == ["10.0.0.2:6379", "::1:6380"])
        #expect(information.replicas?.map(\.isLinked) == [true, false])
        #expect(RedisInformation("role:slave\r\n").replicas == nil)
        #expect(RedisInformation("connected_slaves:9000000000\r\n").replicas?.isEmpty == true)
        #expect(RedisInformation("connected_slaves:-1\r\n").replicas == nil)
    }

    @Test("A sentinel's answer is an address, or refused")
    func sentinelAnswer() throws {
        func parse(_ reply: RedisValue?) throws(RedisError) -> RedisAddress {
            let sentinel = RedisAddress(host: "s", port: 26_379)
            return try SentinelAnswer.address(in: reply, sentinel: sentinel, primaryName: "main")
        }
        let (host, port) = (Self.bulk("10.0.0.1"), Self.bulk("6379"))
        #expect(try parse(.array([host, port])) == RedisAddress(host: "10.0.0.1", port: 6379))
        let unknown = #expect(throws: RedisError.self) { try parse(.null) }
        #expect(unknown?.message.contains("watches no primary named \"main\"") == true)
        let refused = #expect(throws: RedisError.self) { try parse(.error("NOAUTH Authentication required.")) }
        #expect(refused?.message.contains("NOAUTH") == true)
        for odd in [
            nil, .status("OK"), .integer(6379), .array([]), .array([host]), .array([host, port, port]),
            .array([host, Self.bulk("0")]), .array([host, Self.bulk("65536")]), .array([host, Self.bulk("x")]),
            .array([Self.bulk(""), port]), .array([Self.bulk("a b"), port]), .array([.null, port]),
            .array([.array([]), port]), .array([.string([0xFF]), port]),
            .array([Self.bulk(String(repeating: "h", count: 254)), port]),
        ] as [RedisValue?] {
            let error = #expect(throws: RedisError.self) { try parse(odd) }
            #expect(error?.code == .protocolViolation, "\(String(describing: odd))")
        }
    }
}
