/// What somebody may have meant by a word that is unknown.
public enum Spelling {
    /// The known word that is written nearly like it: of every three letters one may differ.
    public static func nearest(to word: String, among known: [String]) -> String? {
        known.min { distance(word, $0) < distance(word, $1) }.flatMap { distance(word, $0) <= max(1, word.count / 3) ? $0 : nil }
    }

    /// How many letters must be changed, added or left out to make one word of the other.
    private static func distance(_ one: String, _ other: String) -> Int {
        let (a, b) = (Array(one.lowercased()), Array(other.lowercased()))
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var (diagonal, next) = (i, [i + 1])
            for (j, right) in b.enumerated() {
                next.append(Swift.min(next[j] + 1, row[j + 1] + 1, diagonal + (left == right ? 0 : 1)))
                diagonal = row[j + 1]
            }
            row = next
        }
        return row[b.count]
    }
}
