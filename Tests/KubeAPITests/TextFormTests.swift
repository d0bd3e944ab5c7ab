import KubeAPI
import Testing

struct TextFormTests {
    @Test(
        "times are read with any offset and written in UTC",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"), ("2026-01-01T00:00:00Z", 1_767_225_600, "2026-01-01T00:00:00Z"),
            ("2024-02-29T23:59:59+01:30", 1_709_245_799, "2024-02-29T22:29:59Z"),
            ("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, "0001-01-01T00:00:00Z"),
            ("2000-02-29t00:00:00z", 951_782_400, "2000-02-29T00:00:00Z"),
        ])
    func times(_ text: String, _ seconds: Int64, _ written: String) {
        #expect(Timestamp(text) == Timestamp(seconds: seconds))
        #expect(Timestamp(seconds: seconds).description == written)
    }

    @Test("a fraction keeps six digits")
    func fractions() {
        #expect(Timestamp("2026-01-01T00:00:00.5Z")?.microTime == "2026-01-01T00:00:00.500000Z")
        #expect(Timestamp("2026-01-01T00:00:00.123456789Z")?.microTime == "2026-01-01T00:00:00.123456Z")
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01 00:00:00Z", "26-01-01T00:00:00Z",
            "2026-01-01T00:00:00+1",
        ])
    func wrongTimes(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("every day of four centuries comes back")
    func calendar() {
        for day in stride(from: Int64(-730_000), to: 150_000, by: 97) {
            let time = Timestamp(seconds: day * 86_400)
            if day * 86_400 >= -62_135_596_800 { #expect(Timestamp(time.description) == time) }
        }
    }

    @Test(
        "base64 goes there and back",
        arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")])
    func base64(_ plain: String, _ text: String) {
        #expect(Base64.text(of: Array(plain.utf8)) == text)
        #expect(Base64.bytes(of: text) == Array(plain.utf8))
    }

    @Test("base64 is strict", arguments: ["Zg", "Zg=", "Zg===", "Z===", "Zm9v=", "Zg==Zg==", "Z g==", "Zm-v", "é==="])
    func wrongBase64(_ text: String) {
        #expect(Base64.bytes(of: text) == nil)
    }

    @Test("a tree is changed along a path")
    func editing() {
        var tree: JSONValue = ["a": ["b": 1]]
        tree[at: "a", "c", "d"] = true
        tree[at: "x", "y"] = nil
        tree[at: "a", "b"] = nil
        #expect(tree.description == #"{"a":{"c":{"d":true}}}"#)
        #expect(tree[at: "a", "c", "d"] == true)
        #expect(tree[at: "a", "none", "d"] == nil)
    }
}
