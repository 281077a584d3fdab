// SPDX-License-Identifier: Apache-2.0

import Dispatch
import LoadModel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Another process of this program that carries out a part of a run. Requests are carried out one after the other.
///
/// It ends by itself when its standard input does, so also when this process is killed.
final class ChildProcess: Sendable {
    /// Counted from 1.
    let number: Int
    let process: pid_t
    /// What blocks on the pipes runs here, and so one at a time.
    private let queue: DispatchQueue
    private let state: Mutex<State>

    private struct State {
        /// Nil when it is told that there is no more to do.
        var channel: PipeChannel?
        /// Its number may then be that of another process.
        var hasEnded = false
    }

    /// - Parameter arguments: Without the name of the program.
    init(number: Int, arguments: [String]) throws {
        let (toChild, fromChild) = (try Self.makePipe(), try Self.makePipe())
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        let words = (["trunkline-load"] + arguments).map { strdup($0) } + [nil]
        var process = pid_t()
        let status = posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environ)
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        close(toChild[0])
        close(fromChild[1])
        self.state = Mutex(State(channel: PipeChannel(input: fromChild[0], output: toChild[1])))
        self.queue = DispatchQueue(label: "process \(number)")
        self.number = number
        self.process = process
        guard status == 0 else {
            throw CrewError(description: "process \(number) could not be started: \(Self.reason(status))")
        }
        SignalForwarding.add(process)
    }

    /// The end to read from, and the one to write to. Only what is passed on by name is open in a new process.
    private static func makePipe() throws -> [Int32] {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw CrewError(description: "there is no pipe: \(Self.reason(errno))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return ends
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// - Throws: `CrewError` when the process is gone, or could not do it.
    func ask(_ request: CrewRequest) async throws -> CrewReply {
        try await withCheckedThrowingContinuation { continuation in
            self.queue.async { continuation.resume(with: Result { try self.exchange(request) }) }
        }
    }

    private func exchange(_ request: CrewRequest) throws -> CrewReply {
        let bytes = try CrewFraming.encode(request)
        let channel = self.state.withLock { $0.channel }
        guard let channel, channel.write(bytes), let answer = channel.readFrame() else {
            throw CrewError(description: "process \(self.number) of the load generator \(self.end())")
        }
        let reply = try CrewFraming.decode(CrewReply.self, answer)
        if case .failed(let reason) = reply { throw CrewError(description: "process \(self.number): \(reason)") }
        return reply
    }

    /// How it ended. The pipe is closed when it has, or is about to.
    private func end() -> String {
        guard let status = self.wait() else { return "ended before its work was done" }
        let signal = status & 0x7F
        return signal == 0
            ? "ended with status \(status >> 8 & 0xFF) before its work was done"
            : "was ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    }

    /// Returns nil when that is known already.
    private func wait() -> Int32? {
        // Without its standard input it ends.
        let hasEnded = self.state.withLock { state in
            state.channel = nil
            return state.hasEnded
        }
        guard !hasEnded else { return nil }
        var information = siginfo_t()
        while waitid(P_PID, id_t(self.process), &information, WEXITED | WNOWAIT) < 0 {
            guard errno == EINTR else { return nil }
        }
        return self.state.withLock { state in
            state.hasEnded = true
            SignalForwarding.remove(self.process)
            var status: Int32 = 0
            return waitpid(self.process, &status, 0) < 0 ? nil : status
        }
    }

    /// Ends it, whatever it is at. ``stop()`` has to follow.
    func terminate() {
        self.state.withLock { state in
            if !state.hasEnded { kill(self.process, SIGTERM) }
        }
    }

    /// Ends it and waits until it has ended; call it last.
    func stop() async {
        // A request that is under way would hold up the queue.
        self.terminate()
        await withCheckedContinuation { continuation in
            self.queue.async {
                _ = self.wait()
                continuation.resume()
            }
        }
    }
}
