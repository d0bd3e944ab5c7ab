extension Scenario {
    /// The scenarios that this one stands for: with one choice of each list, and the steps that are meant for it. Itself, when it
    /// leaves nothing open.
    public var variants: [Scenario] {
        let combinations = choices.reduce([[]]) { begun, list in begun.flatMap { words in list.map { words + $0 } } }
        return combinations.map { words in
            var variant = self
            variant.options = options + words
            (variant.variation, variant.choices) = (words, [])
            variant.steps = steps.filter { step in
                step.conditions.isEmpty || step.conditions.contains { Self.stands($0, in: variant.options) }
            }
            return variant
        }
    }

    /// Whether its lab is asked for by these words among others, or one that it stands for.
    public func isPlayed(with words: [String]) -> Bool { Self.stands(words, in: options) }

    /// All of the words, in this order, whatever stands between them.
    private static func stands(_ words: [String], in options: [String]) -> Bool {
        var rest = words[...]
        for option in options where option == rest.first { rest.removeFirst() }
        return rest.isEmpty
    }
}
