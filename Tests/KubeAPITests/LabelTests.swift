import KubeAPI
import Testing

struct LabelTests {
    static let labels = ["app": "web", "tier": "front", "empty": ""]

    @Test(
        "selectors in text select as in Kubernetes",
        arguments: [
            ("", true, ""),
            ("app=web", true, "app=web"),
            ("app==web", true, "app=web"),
            (" app = web ", true, "app=web"),
            ("app=db", false, "app=db"),
            ("app!=web", false, "app!=web"),
            ("none!=web", true, "none!=web"),  // a missing key is not equal
            ("app in (db, web)", true, "app in (db,web)"),
            ("app notin (db,web)", false, "app notin (db,web)"),
            ("none notin (a,b)", true, "none notin (a,b)"),
            ("app", true, "app"),
            ("!app", false, "!app"),
            ("! none", true, "!none"),
            ("empty=", true, "empty="),
            ("empty in (,x)", true, "empty in (,x)"),
            ("in in (in)", false, "in=in"),  // the words are keys and values too
            ("app=web,tier!=back,!gone", true, "app=web,tier!=back,!gone"),
            ("app=web,tier=back", false, "app=web,tier=back"),
        ])
    func text(_ text: String, _ matches: Bool, _ canonical: String) throws {
        let selector = try LabelSelector(parsing: text)
        #expect(selector.matches(Self.labels) == matches)
        #expect(selector.description == canonical)
        #expect(try LabelSelector(parsing: canonical) == selector)
    }

    @Test(
        "texts that are no selectors are refused with the reason",
        arguments: [
            (",", "expected a key, found ','"),
            ("a,", "expected a key, found the end"),
            ("a b", "expected '=', '==', '!=', 'in' or 'notin' after \"a\", found 'b'"),
            ("a in b", "expected '(' before the values, found 'b'"),
            ("a in (b", "expected ',' or ')' after a value, found the end"),
            ("a=b=c", "expected ',' or the end, found '='"),
            ("a>1", "expected '=', '==', '!=', 'in' or 'notin' after \"a\", found '>'"),
            ("!", "expected a key after '!', found the end"),
            ("-a=b", "key: Invalid value: \"-a\": name part must consist of"),
            ("a=b_", "values[0]: Invalid value: \"b_\": a valid label must be"),
        ])
    func refuses(_ text: String, _ reason: String) throws {
        let error = try #require(throws: LabelSelectorError.self) { try LabelSelector(parsing: text) }
        #expect(error.description.contains(reason), "got: \(error)")
    }

    @Test("a selector object needs all its labels and expressions")
    func object() throws {
        let tree: JSONValue = [
            "selector": [
                "matchLabels": ["app": "web"],
                "matchExpressions": [
                    ["key": "tier", "operator": "In", "values": ["front", "back"]], ["key": "gone", "operator": "DoesNotExist"],
                ],
            ]
        ]
        var fields = FieldReader(tree)
        let read = fields.selector("selector")
        let selector = try #require(read)
        #expect(fields.errors.isEmpty)
        #expect(selector.description == "app=web,tier in (front,back),!gone")
        #expect(selector.matches(Self.labels))
        #expect(!selector.matches(["app": "web"]))
        #expect(fields.selector("absent") == nil)
        #expect(LabelSelector().matches([:]), "an empty selector selects everything")
    }

    @Test("every operator is decided alike in random labels by a slow obvious rule", arguments: 0..<20 as Range<UInt64>)
    func oracle(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let words = ["a", "b", "c"]
        for _ in 0..<100 {
            var labels: [String: String] = [:]
            for word in words where Bool.random(using: &random) { labels[word] = words.randomElement(using: &random) }
            let key = try #require(words.randomElement(using: &random))
            let values = words.filter { _ in Bool.random(using: &random) } + ["d"]
            let isIn = labels.contains { $0.key == key && values.contains($0.value) }
            let exists = labels.keys.contains(key)
            for (word, expected) in [
                (LabelSelector.Operator.in, isIn), (.notIn, !isIn), (.exists, exists), (.doesNotExist, !exists),
            ] {
                let selector = LabelSelector([LabelSelector.Requirement(key, word, values)])
                #expect(selector.matches(labels) == expected, "seed \(seed)")
            }
        }
    }

    @Test("wrong selector objects are reported with their paths and kept out")
    func faults() {
        var fields = FieldReader([
            "s": [
                "matchLabels": ["a b": "x", "ok": "-"],
                "matchExpressions": [
                    ["key": "k", "operator": "Near"], ["key": "k", "operator": "In"],
                    ["key": "k", "operator": "Exists", "values": ["v"]],
                    ["key": "", "operator": "Exists"],
                ],
            ]
        ])
        let selector = fields.selector("s")
        let texts = fields.errors.map { $0.description.prefix(60) }
        #expect(
            texts == [
                #"s.matchLabels: Invalid value: "a b": name part must consist "#,
                #"s.matchLabels[ok]: Invalid value: "-": a valid label must be"#,
                #"s.matchExpressions[0].operator: Invalid value: "Near": not a"#,
                "s.matchExpressions[1].values: Required value: must be specif",
                "s.matchExpressions[2].values: Forbidden: may not be specifie",
                #"s.matchExpressions[3].key: Invalid value: "": name part must"#,
                #"s.matchExpressions[3].key: Invalid value: "": name part must"#,
            ])
        #expect(selector?.requirements.count == 2)
    }
}
