"""What an editor asks of the plan language, as pure functions over texts, trees and compilations; no protocol in it."""
