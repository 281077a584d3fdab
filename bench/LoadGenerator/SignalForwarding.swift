// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// Processes that are to get the signals that end this one. One thread at a time may add and remove.
///
/// They end with this process in any case, when their standard input does; so they learn which signal it was, and at once.
enum SignalForwarding {
    static let processesMax = 64
    /// Read by a signal handler: it never moves, and a place is written at once.
    nonisolated(unsafe) private static let processes: UnsafeMutablePointer<pid_t> = {
        let places = UnsafeMutablePointer<pid_t>.allocate(capacity: processesMax)
        places.initialize(repeating: 0, count: processesMax)
        return places
    }()

    /// To be called before a signal can be forwarded.
    static func prepare() { _ = Self.processes }

    static func add(_ process: pid_t) {
        for place in 0..<Self.processesMax where Self.processes[place] == 0 {
            Self.processes[place] = process
            return
        }
    }

    static func remove(_ process: pid_t) {
        for place in 0..<Self.processesMax where Self.processes[place] == process { Self.processes[place] = 0 }
    }

    /// Does only what signal-safety(7) allows.
    static func forward(_ signal: Int32) {
        for place in 0..<Self.processesMax where Self.processes[place] > 0 { kill(Self.processes[place], signal) }
    }
}
