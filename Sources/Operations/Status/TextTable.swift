// SPDX-License-Identifier: Apache-2.0

/// Rows with columns that line up. The last column may be of any length.
struct TextTable: Sendable {
    private var rows: [[String]]

    init(_ titles: String...) {
        self.rows = [titles]
    }

    mutating func add(_ cells: String...) {
        self.rows.append(cells)
    }

    func text() -> String {
        let columns = self.rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            self.rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return self.rows.map { row in
            let cells = row.enumerated().map { column, cell in
                cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}
