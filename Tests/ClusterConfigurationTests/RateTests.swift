// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Rates")
struct RateTests {
    private func parse(_ rates: String) throws -> ClusterSettings.Rates {
        try ClusterSettings.parse(yaml: Fixture.minimal + "rates:\n  \(rates)\n").rates
    }

    @Test("A rate is a number per time and a burst, or off")
    func values() throws {
        #expect(try self.parse("sends_per_user: 7/s burst 9").sendsPerUser == Rate(7, per: .second, burst: 9))
        #expect(try self.parse("sends_per_user: 6/m  burst 1").sendsPerUser == Rate(6, per: .minute, burst: 1))
        #expect(
            try self.parse("sends_per_user: 1/h burst 1000000").sendsPerUser == Rate(1, per: .hour, burst: 1_000_000)
        )
        for off in ["off", "0", "\"off\""] {
            #expect(try self.parse("sends_per_user: \(off)").sendsPerUser == nil)
        }
    }

    @Test(
        "What is no rate is refused with what would be right",
        arguments: [
            "7", "7/s", "7/d burst 9", "7 / s burst 9", "7/s burst", "0/s burst 5", "5/s burst 0", "1000001/s burst 1",
            "-1/s burst 5", "7/s burst 9 more",
        ]
    )
    func wrong(text: String) throws {
        let problem = try Fixture.problem(Fixture.minimal + "rates: {sends_per_user: \(text)}\n")
        #expect(problem.path == "rates.sends_per_user")
        #expect(problem.remedy.contains("burst"))
    }

    @Test("Networks are a list, or none")
    func networks() throws {
        #expect(try self.parse("trusted_proxies: none").trustedProxies.isEmpty)
        let proxies = try self.parse("trusted_proxies: 10.0.0.0/8, 192.0.2.7 2001:db8::/32").trustedProxies
        #expect(proxies.count == 3)
        let address = try #require(IPAddress("192.0.2.7"))
        #expect(proxies.map { $0.contains(address) } == [false, true, false])
        for wrong in ["\"\"", "10.0.0.0/33", "proxy.example.org"] {
            let problem = try Fixture.problem(Fixture.minimal + "rates: {trusted_proxies: \(wrong)}\n")
            #expect(problem.path == "rates.trusted_proxies")
        }
    }

    @Test("Unless said otherwise everything is limited, loopback is not by address, and nobody is trusted")
    func defaults() throws {
        let rates = ClusterSettings.defaults.rates
        let all = [
            rates.connectionsPerAddress, rates.connectionsPerNode, rates.authenticationsPerNode, rates.loginsPerAddress,
            rates.loginFailuresPerUsername, rates.refreshesPerAddress, rates.requestsPerAddress, rates.requestsPerUser,
            rates.sendsPerUser, rates.sendsPerNode, rates.commandsPerSession, rates.leavingPerNode,
        ]
        #expect(all.allSatisfy { $0 != nil })
        for loopback in ["127.0.0.1", "127.8.8.8", "::1"] {
            let address = try #require(IPAddress(loopback))
            #expect(rates.exemptAddresses.contains { $0.contains(address) })
        }
        #expect(rates.trustedProxies.isEmpty)
    }

    @Test("Rates are shown and read back, and set from the environment")
    func rendering() throws {
        let environment = [
            "TRUNKLINE_RATES__SENDS_PER_USER": "3/m burst 4", "TRUNKLINE_RATES__TRUSTED_PROXIES": "10.0.0.1",
        ]
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal, environment: environment)
        #expect(settings.rates.sendsPerUser == Rate(3, per: .minute, burst: 4))
        let again = try ClusterSettings.parse(yaml: settings.render(maskSecrets: false))
        #expect(again.rates == settings.rates)
    }
}
