// SPDX-License-Identifier: Apache-2.0

internal import CLibPQ

/// The hosts that a connection string names, to begin with another one than the first.
///
/// libpq takes the next host when one cannot be reached, but not when one accepts the connection and then closes it or says
/// nothing, as a proxy in front of a dead server or a frozen server does: an attempt ends there. Who always began with
/// the same host would never get past it.
struct HostList {
    private var lists: [(keyword: String, items: [String])] = []

    /// Empty when the string cannot be read; libpq will say why.
    init(connectionString: String) {
        guard let options = PQconninfoParse(connectionString, nil) else { return }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val, ["host", "hostaddr", "port"].contains(String(cString: keyword)) {
                let items = String(cString: value).split(separator: ",", omittingEmptySubsequences: false)
                self.lists.append((String(cString: keyword), items.map(String.init)))
            }
            option += 1
        }
    }

    /// Keywords and values that put the host of this number, counted around, in front of the others. None when there is
    /// only one.
    func parameters(beginningWith number: Int) -> [(String, String)] {
        let count = self.lists.map(\.items.count).max() ?? 0
        guard count > 1 else { return [] }
        let start = number % count
        return self.lists.filter { $0.items.count == count }.map { keyword, items in
            (keyword, (items[start...] + items[..<start]).joined(separator: ","))
        }
    }
}
