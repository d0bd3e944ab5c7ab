import Telemetry
import Testing

@Suite("a path that is asked for")
struct HTTPQuestionTests {
    @Test(
        "its parts are decoded each for itself",
        arguments: [
            ("/explain/A/www.example.org", ["explain", "A", "www.example.org"]),
            // A name may have a slash in it (RFC 2317).
            ("/explain/PTR/0%2F25.2.0.192.in-addr.arpa", ["explain", "PTR", "0/25.2.0.192.in-addr.arpa"]),
            ("/a%2fb%25/%C3%BC", ["a/b%", "ü"]), ("//a/", ["a"]), ("/", []),
            // None of these is an escape.
            ("/a%2", nil), ("/a%", nil), ("/a%zz", nil), ("/a%+1", nil),
            // No text.
            ("/%FF", nil),
        ] as [(String, [String]?)])
    func parts(_ path: String, _ expected: [String]?) { #expect(HTTPQuestion(path: path).parts == expected) }

    @Test(
        "a text is a part again",
        arguments: ["0/25.2.0.192.in-addr.arpa", "50%.example", "a?b.example.", "a#b", "a b", "ü\\.x", "%2F"])
    func roundTrip(_ text: String) {
        let path = "/explain/A/" + HTTPQuestion.part(text)
        #expect(HTTPQuestion(path: path).parts == ["explain", "A", text])
        #expect(path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !path.contains("?") && !path.contains("#"))
    }
}

@Suite("a page of figures") struct ExpositionTests {
    @Test("each family says what it is, then its samples, in the form of text format 0.0.4")
    func form() {
        var page = Exposition()
        page.add("tulle_rounds_total", .counter, "Rounds.", .init(7))
        page.add(
            "tulle_problems", .gauge, "Problems, by id.", .init(2, ["severity": "error", "id": "a"]),
            .init(0.5, ["id": "b", "severity": "error"]))
        page.add("nothing", .gauge, "None.", [])
        #expect(
            page.text == """
                # HELP tulle_rounds_total Rounds.
                # TYPE tulle_rounds_total counter
                tulle_rounds_total 7
                # HELP tulle_problems Problems, by id.
                # TYPE tulle_problems gauge
                tulle_problems{id="a",severity="error"} 2
                tulle_problems{id="b",severity="error"} 0.5

                """)
    }

    @Test("what would break a line is escaped")
    func escapes() {
        var page = Exposition()
        page.add("a", .gauge, "back\\slash, \"quotes\"\nand a line", .init(1, ["l": "back\\slash, \"quotes\"\nand a line"]))
        #expect(
            page.text.split(separator: "\n") == [
                #"# HELP a back\\slash, "quotes"\nand a line"#, "# TYPE a gauge",
                #"a{l="back\\slash, \"quotes\"\nand a line"} 1"#,
            ])
    }

    @Test(
        "numbers are written as readers know them",
        arguments: [
            (0, "0"), (-3, "-3"), (0.001, "0.001"), (1e15, "1000000000000000"), (1e300, "1e+300"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"),
        ] as [(Double, String)])
    func numbers(_ value: Double, _ text: String) {
        var page = Exposition()
        page.add("a", .gauge, "A.", .init(value))
        #expect(page.text.split(separator: "\n").last == "a \(text)")
    }

    @Test("a histogram's buckets hold what is in those before, and the last holds all")
    func histogram() {
        var histogram = Histogram.exponential(from: 1, by: 2, count: 3)
        #expect(histogram.bounds == [1, 2, 4])
        for value in [0.5, 1, 3, 4, 5] { histogram.observe(value) }
        var page = Exposition()
        page.add("a_seconds", "A.", histogram)
        #expect(
            page.text == """
                # HELP a_seconds A.
                # TYPE a_seconds histogram
                a_seconds_bucket{le="1"} 2
                a_seconds_bucket{le="2"} 2
                a_seconds_bucket{le="4"} 4
                a_seconds_bucket{le="+Inf"} 5
                a_seconds_sum 13.5
                a_seconds_count 5

                """)
    }
}
