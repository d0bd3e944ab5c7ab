extension StringProtocol {
    /// Its lines, without their ends: LF, or CR LF, which to a text is one character and no line feed.
    var lines: [Substring] {
        Substring(self).unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
            Substring($0.last == "\r" ? $0.dropLast() : $0)
        }
    }
}
