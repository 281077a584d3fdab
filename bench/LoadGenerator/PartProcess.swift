// SPDX-License-Identifier: Apache-2.0

import Dispatch
import LoadModel
import NIOCore
import NIOPosix
import TrunklineClient

#if canImport(Glibc)
    import Glibc
#endif

/// A process that `ProcessCrew` started: does what it reads from its standard input until that ends.
struct PartProcess {
    private let command: LoadCommand
    private let part: Int

    /// - Parameter part: Counted from 1.
    init(_ command: LoadCommand, part: Int) {
        self.command = command
        self.part = part
    }

    /// Returns the exit status.
    func run() async -> Int32 {
        // What is printed by mistake must not stand between the answers.
        let output = dup(STDOUT_FILENO)
        dup2(STDERR_FILENO, STDOUT_FILENO)
        let (requests, continuation) = AsyncStream.makeStream(
            of: CrewRequest.self,
            bufferingPolicy: .bufferingOldest(1)
        )
        let replies = ReplyQueue(output: output)
        replies.read(into: continuation)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: self.command.eventLoops)
        let crew = LocalCrew(
            self.command,
            self.command.topology(ofPart: self.part - 1),
            runID: "\(self.command.runID ?? "")-\(self.part)",
            eventLoops: group,
            progress: Progress(isQuiet: true)
        )
        for await request in requests {
            do {
                replies.write(try await Self.answer(request, crew))
            } catch {
                replies.write(.failed("\(error)"))
            }
        }
        await crew.stop()
        try? await group.shutdownGracefully()
        return 0
    }

    private static func answer(_ request: CrewRequest, _ crew: LocalCrew) async throws -> CrewReply {
        switch request {
        case .populate: try await crew.populate()
        case .connect: try await crew.connect()
        case .start(let time): try await crew.start(at: .uptimeNanoseconds(time))
        case .add(let stretch): try await crew.add(stretch)
        case .state(let takesRecent): return .state(try await crew.state(takesRecent: takesRecent))
        case .settle: try await crew.settle()
        case .incomplete(let asks): return .count(try await crew.incomplete(asks: asks))
        case .stretch(let index): return .stretch(try await crew.stretch(index))
        case .finish(let isWhole): return .outcome(try await crew.finish(isWhole: isWhole))
        }
        return .done
    }
}

/// The pipes to the process that asks.
private final class ReplyQueue: Sendable {
    private let writer = DispatchQueue(label: "answers")
    private let reader = DispatchQueue(label: "requests")
    private let output: Int32

    init(output: Int32) {
        self.output = output
    }

    /// Reads requests until there are none any more. Then nobody is there to work for, whatever is under way.
    func read(into continuation: AsyncStream<CrewRequest>.Continuation) {
        self.reader.async {
            let channel = PipeChannel(input: STDIN_FILENO, output: -1)
            while let frame = channel.readFrame(),
                let request = try? CrewFraming.decode(CrewRequest.self, frame)
            {
                continuation.yield(request)
            }
            _exit(0)
        }
    }

    func write(_ reply: CrewReply) {
        self.writer.async {
            let channel = PipeChannel(input: -1, output: dup(self.output))
            if let bytes = try? CrewFraming.encode(reply), channel.write(bytes) { return }
            StandardError.write("trunkline-load: an answer could not be written\n")
            _exit(1)
        }
    }
}
