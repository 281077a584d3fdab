// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import TransportSecurity

/// Reads the certificates of a node again when their files have changed. New connections begin with the new ones, those
/// that are there stay; what cannot be used is told, and what is in use stays.
struct CertificateReloader: Sendable {
    /// How often the files are looked at. They are read at the second look that finds them the same.
    static let lookInterval: Duration = .seconds(5)

    private let certificates: NodeCertificates
    private let interval: Duration
    private let logger: Logger

    init(_ certificates: NodeCertificates, interval: Duration = Self.lookInterval, logger: Logger) {
        self.certificates = certificates
        self.interval = interval
        self.logger = logger
    }

    /// Looks for as long as something else runs.
    func run(beside companion: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.run() }
            defer { group.cancelAll() }
            try await companion()
        }
    }

    /// Looks until the task is cancelled; returns at once when the node has no certificates.
    func run() async {
        let entries = self.certificates.entries
        guard !entries.isEmpty else { return }
        var states = entries.map { ReloadState(inUse: $0.stamps) }
        var warnings = entries.map { _ in ExpiryWarning() }
        while !Task.isCancelled {
            let looks = await onOwnThread(named: "certificates") { entries.map { $0.files.stamps } }
            for (index, stamps) in (looks ?? []).enumerated() {
                if states[index].looked(stamps) == .read {
                    states[index].finished(isUsable: await self.reload(entries[index]))
                }
                if warnings[index].isDue(expires: entries[index].live.expires, now: Date()) {
                    self.logger.warning(
                        "a certificate runs out soon; put a new one in its place, it is read without a restart",
                        metadata: Self.metadata(of: entries[index])
                    )
                }
            }
            // Files have no way to tell that they were replaced.
            try? await Task.sleep(for: self.interval)
        }
    }

    private func reload(_ entry: NodeCertificates.Entry) async -> Bool {
        let result = await onOwnThread(named: "certificates") { () -> Result<Void, CertificateProblem> in
            do throws(CertificateProblem) {
                return .success(try entry.live.replace(with: try entry.read(now: Date())))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success:
            self.logger.notice("new certificates are in use", metadata: Self.metadata(of: entry))
            return true
        case .failure(let problem):
            var metadata = Self.metadata(of: entry)
            metadata["key"] = "tls.\(entry.use.rawValue).\(problem.part.rawValue)"
            metadata["reason"] = "\(problem)"
            self.logger.warning("changed certificates cannot be used; the old ones stay in use", metadata: metadata)
            return false
        case nil:
            self.logger.warning("changed certificates were not read: the system has no thread left")
            return false
        }
    }

    private static func metadata(of entry: NodeCertificates.Entry) -> Logger.Metadata {
        [
            "use": "\(entry.use.rawValue)", "file": "\(entry.files.certificate)",
            "expires": "\(UTCTime.text(of: entry.live.expires))",
        ]
    }
}
