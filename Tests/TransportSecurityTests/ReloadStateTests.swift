// SPDX-License-Identifier: Apache-2.0

import Testing
import TransportSecurity

@Suite("When changed files are read again")
struct ReloadStateTests {
    private static func stamps(_ first: Int64, _ second: Int64) -> ReloadState.Stamps {
        [first, second].map { SmallFile.Stamp(inode: 1, bytes: 1, modified: $0) }
    }

    @Test("Nothing changes, nothing is read")
    func unchanged() {
        var state = ReloadState(inUse: Self.stamps(1, 1))
        for _ in 0..<3 {
            let decision = state.looked(Self.stamps(1, 1))
            #expect(decision == .nothing)
        }
    }

    @Test("Read once both files have stayed the same for two looks")
    func settles() {
        var state = ReloadState(inUse: Self.stamps(1, 1))
        let decisions = [
            state.looked(Self.stamps(2, 1)), state.looked(Self.stamps(2, 2)), state.looked(Self.stamps(2, 2)),
        ]
        #expect(decisions == [.nothing, .nothing, .read])
        state.finished(isUsable: true)
        let after = state.looked(Self.stamps(2, 2))
        #expect(after == .nothing)
    }

    @Test("What was refused is not tried again until it changes")
    func refused() {
        var state = ReloadState(inUse: Self.stamps(1, 1))
        _ = state.looked(Self.stamps(2, 1))
        let first = state.looked(Self.stamps(2, 1))
        state.finished(isUsable: false)
        let again = [state.looked(Self.stamps(2, 1)), state.looked(Self.stamps(2, 1))]
        let changed = [state.looked(Self.stamps(2, 2)), state.looked(Self.stamps(2, 2))]
        #expect(first == .read)
        #expect(again == [.nothing, .nothing])
        #expect(changed == [.nothing, .read])
    }

    @Test("Put back as they were, they are forgotten; a file that is gone counts as a change")
    func back() {
        var state = ReloadState(inUse: Self.stamps(1, 1))
        _ = state.looked([nil, nil])
        let back = state.looked(Self.stamps(1, 1))
        let gone = [state.looked([nil, nil]), state.looked([nil, nil])]
        #expect(back == .nothing)
        #expect(gone == [.nothing, .read])
        state.finished(isUsable: false)
        let returned = state.looked(Self.stamps(1, 1))
        #expect(returned == .nothing)
    }
}
