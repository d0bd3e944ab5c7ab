internal import Yams

/// A key that stands twice in one map. The parser tells where it stands first; what is to be taken out mostly stands later.
struct RepeatedKey {
    private let key: String
    private let first: Mark

    /// - Parameter first: where the parser says that it stands.
    init(_ key: String, _ first: Mark) { (self.key, self.first) = (key, first) }

    /// Where it stands the second time, from 1, as far as that can be found; else where it stands first.
    ///
    /// The same word may be a key of other maps, or no key at all. So it is tried: with another word at every place from the second one
    /// on the document has the mistake no more, and with the second one left as it is, it has.
    func second(in text: String) -> (line: Int, column: Int) {
        let scalars = Array(text.unicodeScalars)
        let places = places(in: scalars)
        // How many places have to stay as they are for the mistake to stay.
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if isRepeated(in: renamed(scalars, places[middle...])) { high = middle } else { low = middle + 1 }
        }
        guard low > 0 else { return (first.line, first.column) }
        let start = places[low - 1]
        return place(scalars[start - 1] == "\"" || scalars[start - 1] == "'" ? start - 1 : start, in: scalars)
    }

    /// Behind the first one, where the word stands and a colon follows.
    private func places(in scalars: [Unicode.Scalar]) -> [Int] {
        let word = Array(key.unicodeScalars)
        guard !word.isEmpty, scalars.count > word.count else { return [] }
        var (line, start) = (1, 0)
        var places: [Int] = []
        for index in 0...(scalars.count - word.count) {
            if scalars[index] == word[0], (line, index - start + 1) > (first.line, first.column + 1),
                scalars[index..<(index + word.count)].elementsEqual(word)
            {
                let rest = scalars[(index + word.count)...].drop { $0 == "\"" || $0 == "'" }.drop { $0 == " " }
                if rest.first == ":" { places.append(index) }
            }
            if scalars[index] == "\n" { (line, start) = (line + 1, index + 1) }
        }
        return places
    }

    private func place(_ index: Int, in scalars: [Unicode.Scalar]) -> (line: Int, column: Int) {
        let before = scalars[..<index]
        let start = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        return (before.count { $0 == "\n" } + 1, index - start + 1)
    }

    private func renamed(_ scalars: [Unicode.Scalar], _ places: ArraySlice<Int>) -> String {
        var text = String.UnicodeScalarView()
        var done = 0
        for place in places {
            text += scalars[done..<place]
            text += "tulle\(place)".unicodeScalars
            done = place + key.unicodeScalars.count
        }
        text += scalars[done...]
        return String(text)
    }

    private func isRepeated(in text: String) -> Bool {
        do {
            _ = try Parser(yaml: text, resolver: .basic).nextRoot()
        } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
            return keys.first == key && context.mark.line == first.line && context.mark.column == first.column
        } catch {}
        return false
    }
}
