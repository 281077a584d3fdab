// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How many files and sockets the process may have open. Systems start programs with a low soft limit for the sake of
/// `select`, which nothing here uses.
enum FileDescriptorLimit {
    /// What ``raise()`` would reach; nil when the system does not tell.
    static var hard: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(clamping: limit.rlim_max)
    }

    /// Raises the soft limit to the hard one. Returns the limit that holds afterwards.
    static func raise() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 0 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(resource, &raised) == 0 {
                limit = raised
            }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
