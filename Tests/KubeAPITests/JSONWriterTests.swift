import KubeAPI
import Testing

struct JSONWriterTests {
    let value: JSONValue = ["b": [1, [], [:]], "a": ["y": nil, "x": "é\n\u{1}"]]

    private func text(_ writer: JSONWriter) -> String { String(decoding: writer.bytes(of: value), as: UTF8.self) }

    @Test("compact keeps the order of the members")
    func compact() {
        #expect(text(JSONWriter()) == #"{"b":[1,[],{}],"a":{"y":null,"x":"é\n\u0001"}}"#)
        #expect(value.description == text(JSONWriter()))
    }

    @Test("sorted is one text for equal trees")
    func sorted() {
        #expect(text(JSONWriter(sortsKeys: true)) == #"{"a":{"x":"é\n\u0001","y":null},"b":[1,[],{}]}"#)
    }

    @Test("pretty has a line per value")
    func pretty() {
        let expected = """
            {
              "b": [
                1,
                [],
                {}
              ],
              "a": {
                "y": null,
                "x": "é\\n\\u0001"
              }
            }
            """
        #expect(text(JSONWriter(.pretty)) == expected)
    }
}
