// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOCore
import NIOHTTP1
import NIOSSL

/// Asks a node how it is, over its HTTP: what container runtimes and scripts have `trunkline health` for.
package struct HealthCheck: Sendable {
    package enum Question: Sendable {
        /// Whether the process answers, whatever it can do.
        case alive
        /// Whether it can do its work.
        case ready
    }

    /// Where a node is asked.
    package struct Place: Sendable, CustomStringConvertible {
        enum Security: Sendable {
            case plain
            /// What it shows is not looked at: nothing secret is sent, and what is asked is whether it answers.
            case unverified
            case verified(NodeTrust, edge: String)
        }

        let address: NetworkAddress
        let security: Security

        /// Reads `HOST:PORT` or `https://HOST:PORT`; nil for anything else.
        package init?(_ text: String) {
            let scheme = "https://"
            let isSecured = text.hasPrefix(scheme)
            guard let address = NetworkAddress(isSecured ? String(text.dropFirst(scheme.count)) : text) else {
                return nil
            }
            self.address = address
            self.security = isSecured ? .unverified : .plain
        }

        /// Where a node of the configuration listens on this machine.
        package init(of node: ClusterSettings.Node, in settings: ClusterSettings) {
            self.address = node.http
            let isSecured = node.role == .edge && settings.clientCertificates(of: node.name) != nil
            self.security = isSecured ? .verified(NodeTrust(settings), edge: node.name) : .plain
        }

        package var description: String {
            if case .plain = self.security { "\(self.address)" } else { "https://\(self.address)" }
        }

        fileprivate func context() async throws(OperationsError) -> NIOSSLContext? {
            switch self.security {
            case .plain: return nil
            case .verified(let trust, let edge): return try await trust.context(for: edge, isEdge: true)
            case .unverified:
                var configuration = TLSConfiguration.makeClientConfiguration()
                configuration.certificateVerification = .none
                do {
                    return try NIOSSLContext(configuration: configuration)
                } catch {
                    throw OperationsError("TLS cannot be set up: \(error)", remedy: "ask without https://")
                }
            }
        }
    }

    /// What was found, in one line.
    package struct Verdict: Sendable, Equatable {
        package var isGood: Bool
        package var line: String
    }

    /// Between questions to a node that is waited for: it tells nobody by itself.
    private static let pause: Duration = .milliseconds(100)

    private let http: NodeHTTP
    private let probe: ReadinessProbe

    /// - Parameter timeout: for each place.
    package init(group: any EventLoopGroup, timeout: Duration) {
        self.http = NodeHTTP(group: group, timeout: timeout)
        self.probe = ReadinessProbe(group: group, timeout: timeout)
    }

    /// The first place that answers decides.
    ///
    /// - Parameters:
    ///   - name: how the line calls the node; nil where only its address is known.
    ///   - time: how long a node that is not as it should be is asked again.
    package func ask(
        _ question: Question,
        of name: String? = nil,
        at places: [Place],
        within time: Duration = .zero
    ) async -> Verdict {
        let deadline = ContinuousClock.now + time
        while true {
            let verdict = await self.askOnce(question, name, places)
            guard !verdict.isGood, .now < deadline, !Task.isCancelled else { return verdict }
            // To the next question: a node tells nobody by itself that it is ready.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func askOnce(_ question: Question, _ name: String?, _ places: [Place]) async -> Verdict {
        var silences: [String] = []
        for place in places {
            let subject = name.map { "\($0) at \(place)" } ?? "the node at \(place)"
            do {
                return try await self.verdict(question, subject, place)
            } catch {
                silences.append("\(subject) does not answer: \(error.message)")
            }
        }
        return Verdict(isGood: false, line: silences.joined(separator: "; "))
    }

    /// Throws when there is no answer.
    private func verdict(
        _ question: Question,
        _ subject: String,
        _ place: Place
    ) async throws(OperationsError) -> Verdict {
        let tls = try await place.context()
        switch question {
        case .alive:
            let answer = try await self.http.send(.GET, "/health", to: place.address, over: tls)
            let isAlive = answer.status == 200
            return Verdict(
                isGood: isAlive,
                line: isAlive ? "\(subject) is alive" : "\(subject) answers /health with \(answer.status)"
            )
        case .ready:
            switch await self.probe.ask(place.address, over: tls) {
            case .unreachable(let reason): throw OperationsError(reason, remedy: "see whether the node runs")
            case .value(let seen) where seen.ready: return Verdict(isGood: true, line: "\(subject) is ready")
            case .value(let seen):
                let reasons = seen.reasons.joined(separator: "; ")
                return Verdict(isGood: false, line: "\(subject) is not ready: \(reasons)")
            }
        }
    }
}
