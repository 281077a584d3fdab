// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc
import Synchronization
import TestSupport

/// Looks at the node processes all the time: who ended although nobody ended it, and how much memory each has.
final class NodeWatch: Sendable {
    private struct State {
        var processes: [String: GuardedProcess] = [:]
        /// Nodes whose process may end, or has been seen to have ended.
        var mayEnd: Set<String> = []
        var records: [String: NodeRecord]
        var isWatching = false
        /// What to do about a node that ended by itself, as a supervisor would.
        var onEnd: (@Sendable (String) -> Void)?
    }

    private let state: Mutex<State>

    init(_ nodes: [TestCluster.Node]) {
        let records = nodes.map { ($0.name, NodeRecord(name: $0.name, isRouter: $0.isRouter)) }
        self.state = Mutex(State(records: Dictionary(uniqueKeysWithValues: records)))
    }

    func begin() {
        self.state.withLock { $0.isWatching = true }
        Task.detached { [weak self] in
            // A sample of memory and life, again and again.
            while await Self.isWatched(self) { try? await Task.sleep(for: .milliseconds(200)) }
        }
    }

    func end() {
        self.state.withLock { $0.isWatching = false }
    }

    func onUnexpectedEnd(_ act: @escaping @Sendable (String) -> Void) {
        self.state.withLock { $0.onEnd = act }
    }

    func started(_ name: String, _ process: GuardedProcess) {
        self.state.withLock { state in
            state.processes[name] = process
            state.mayEnd.remove(name)
        }
    }

    func process(_ name: String) -> GuardedProcess? {
        self.state.withLock { $0.processes[name] }
    }

    /// Say so before ending it.
    func expectEnd(_ name: String) {
        _ = self.state.withLock { $0.mayEnd.insert(name) }
    }

    var records: [NodeRecord] {
        self.state.withLock { $0.records.values.sorted { $0.name < $1.name } }
    }

    func note(_ name: String, unreadyAtEnd reason: String) {
        self.state.withLock { $0.records[name]?.unreadyAtEnd = reason }
    }

    /// An end that was asked for and did not go well.
    func note(_ name: String, badStatus status: Int32) {
        self.state.withLock {
            $0.records[name]?.unexpectedEnds.append(.init(status: status, at: RunClock.now()))
        }
    }

    // MARK: -

    private static func isWatched(_ watch: NodeWatch?) async -> Bool {
        guard let watch, watch.state.withLock({ $0.isWatching }) else { return false }
        watch.look()
        return true
    }

    private func look() {
        let (processes, mayEnd) = self.state.withLock { ($0.processes, $0.mayEnd) }
        for (name, process) in processes where !mayEnd.contains(name) {
            if let status = process.exitStatus {
                self.ended(name, process, status)
            } else if let bytes = Self.residentBytes(process.process) {
                self.state.withLock { state in
                    let before = state.records[name]?.residentBytesMax ?? 0
                    state.records[name]?.residentBytesMax = max(before, bytes)
                }
            }
        }
    }

    private func ended(_ name: String, _ process: GuardedProcess, _ status: Int32) {
        let act = self.state.withLock { state -> (@Sendable (String) -> Void)? in
            // It may have been ended on purpose, or replaced, since it was looked at.
            guard !state.mayEnd.contains(name), state.processes[name] === process else { return nil }
            state.mayEnd.insert(name)
            state.records[name]?.unexpectedEnds.append(.init(status: status, at: RunClock.now()))
            return state.onEnd
        }
        act?(name)
    }

    /// From `/proc`; nil for a process that is gone.
    private static func residentBytes(_ process: pid_t) -> UInt64? {
        guard let file = fopen("/proc/\(process)/statm", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = fread(&bytes, 1, bytes.count, file)
        let fields = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = UInt64(fields[1]) else { return nil }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
