/// The log of a container, for people: as it was said, without the CRI's columns.
public struct ContainerLogText {
    private let text: String

    /// - Throws: when there is no such file.
    public init(path: String) throws(LabError) {
        guard let text = Files.text(of: path) else { throw LabError(.unknown, "there is no log \(path)") }
        self.text = text
    }

    /// Whole lines: those that the log holds in parts are put together.
    public func lines(showsTimes: Bool) -> [String] {
        var lines: [String] = []
        var isOpen = false
        for entry in text.split(separator: "\n") {
            // `2026-01-02T03:04:05.000000006Z stdout F a line`; P for a part that goes on.
            let parts = entry.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4 else { continue }
            if isOpen {
                lines[lines.count - 1] += parts[3]
            } else {
                lines.append(showsTimes ? "\(parts[0]) \(parts[3])" : String(parts[3]))
            }
            isOpen = parts[2] == "P"
        }
        return lines
    }
}
