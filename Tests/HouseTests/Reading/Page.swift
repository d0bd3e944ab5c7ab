/// A page of Markdown, as far as the tests look into it.
struct Page {
    struct Block {
        /// What stands behind the opening fence; empty for a picture.
        var language: String
        var lines: [String] = []
    }

    let text: String
    /// The fenced blocks.
    private(set) var blocks: [Block] = []
    /// The headings of the second level, in order.
    private(set) var sections: [String] = []
    /// Those of them under which nothing stands.
    private(set) var emptySections: [String] = []

    init(_ text: String) {
        self.text = text
        var open: Block?
        var hasText = true
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                hasText = true
                if let block = open { blocks.append(block) }
                open = open == nil ? Block(language: line.dropFirst(3).trimmed) : nil
            } else if open != nil {
                open?.lines.append(String(line))
            } else if line.hasPrefix("## ") {
                close(hasText)
                sections.append(line.dropFirst(3).trimmed)
                hasText = false
            } else if !line.trimmed.isEmpty {
                hasText = true
            }
        }
        close(hasText)
    }

    private mutating func close(_ hasText: Bool) {
        if !hasText, let last = sections.last { emptySections.append(last) }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
