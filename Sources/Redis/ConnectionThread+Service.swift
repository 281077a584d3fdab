// SPDX-License-Identifier: Apache-2.0

import Glibc

extension ConnectionThread {
    /// Carries pipelines until the connection ends (returns why) or the owner wants to stop (returns nil).
    func serve(_ context: inout HiredisContext, _ address: RedisAddress) -> RedisError? {
        var roleAskedAt = ContinuousClock.now
        while !self.core.isStopped {
            let batch = self.core.nextBatch()
            for request in batch.expired {
                self.core.complete(
                    request,
                    .failure(RedisError(.timedOut, "Redis is too slow: the command waited for its turn in vain."))
                )
            }
            if !batch.requests.isEmpty {
                let asksRole = roleAskedAt.duration(to: .now) >= self.configuration.roleCheckInterval
                if asksRole { roleAskedAt = .now }
                if let error = self.carry(batch.requests, &context, address, asksRole: asksRole) { return error }
            } else if batch.isEmpty, self.isSocketReadyBeforeWake(context.descriptor) {
                return self.unexpectedReadiness(&context)
            }
        }
        return nil
    }

    /// Sleeps until the owner wakes the thread (false) or something happens to the idle connection (true).
    private func isSocketReadyBeforeWake(_ descriptor: Int32) -> Bool {
        var descriptors = [
            pollfd(fd: self.core.wakePipe.readDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = Readiness.wait(for: &descriptors, until: nil)
        self.core.wakePipe.drain()
        return descriptors[1].revents != 0
    }

    /// Nothing was asked for: this is the end of the connection, or an answer that would be taken for the next one's.
    private func unexpectedReadiness(_ context: inout HiredisContext) -> RedisError {
        do throws(RedisError) {
            try context.read()
            return RedisError(.protocolViolation, "Redis sent an answer that nobody asked for.")
        } catch {
            return error
        }
    }

    /// Sends a pipeline and completes each request as soon as its last answer is there.
    ///
    /// Answers that only a server gives that is no primary go to those who asked, and end the connection after the
    /// pipeline: nothing of what was refused has happened, and the next connection is one to the new primary.
    ///
    /// - Parameter asksRole: puts the question at the end of the pipeline.
    private func carry(
        _ requests: [RedisRequest],
        _ context: inout HiredisContext,
        _ address: RedisAddress,
        asksRole: Bool
    ) -> RedisError? {
        var completed = 0
        var replies: [RedisValue] = []
        var demotion: String?
        do throws(RedisError) {
            var commandCount = 0
            for request in requests {
                for command in request.commands {
                    try context.append(command)
                }
                commandCount += request.commands.count
            }
            if asksRole { try context.append(Self.roleQuestion) }
            try self.exchange(&context, replyCount: commandCount + (asksRole ? 1 : 0)) { reply in
                guard completed < requests.count else {
                    if ServerIdentity.role(reply) == .replica { demotion = demotion ?? "it became a replica" }
                    return
                }
                if reply.isAnswerOfNoPrimary { demotion = reply.errorText.map { String($0.prefix(200)) } }
                let request = requests[completed]
                replies.append(reply)
                guard replies.count == request.commands.count else { return }
                completed += 1
                self.core.complete(request, .success(replies))
                replies = []
            }
        } catch {
            for request in requests[completed...] {
                self.core.complete(request, .failure(error))
            }
            return error
        }
        guard let demotion, !self.configuration.acceptsAnyRole else { return nil }
        return RedisError(.notPrimary, "Redis at \(address) is not the primary any more: \(demotion).")
    }

    /// Writes the write buffer and reads that many answers, both at once, within one command timeout.
    func exchange(
        _ context: inout HiredisContext,
        replyCount: Int,
        _ onReply: (RedisValue) -> Void
    ) throws(RedisError) {
        let deadline = ContinuousClock.now + self.configuration.commandTimeout
        var isFlushed = try context.flush()
        var missing = replyCount
        while missing > 0 || !isFlushed {
            let events = POLLIN | (isFlushed ? 0 : POLLOUT)
            var descriptors = [pollfd(fd: context.descriptor, events: Int16(events), revents: 0)]
            guard Readiness.wait(for: &descriptors, until: deadline) else {
                throw RedisError(.timedOut, "Redis did not answer within \(self.configuration.commandTimeout).")
            }
            let revents = Int32(descriptors[0].revents)
            if revents & ~POLLOUT != 0 {
                try context.read()
                while missing > 0, let reply = try context.nextReply() {
                    missing -= 1
                    onReply(reply)
                }
            }
            if !isFlushed, revents & POLLOUT != 0 {
                isFlushed = try context.flush()
            }
            guard missing == 0 || ContinuousClock.now < deadline else {
                throw RedisError(.timedOut, "Redis did not answer within \(self.configuration.commandTimeout).")
            }
        }
        guard !context.hasUnreadBytes else {
            throw RedisError(.protocolViolation, "Redis sent more answers than it was asked for.")
        }
    }
}
