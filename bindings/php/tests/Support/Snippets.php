<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * The snippets of a manual, by language. A snippet of a file names it in a comment in its first line.
 */
final class Snippets
{
    /** @var list<array{string, string}> */
    private array $blocks = [];

    public function __construct(string $path)
    {
        preg_match_all('/^```(\w*)\n(.*?)^```$/ms', (string) file_get_contents($path), $found, PREG_SET_ORDER);
        foreach ($found as [, $language, $text]) {
            $this->blocks[] = [$language, $text];
        }
    }

    /** @return list<string> */
    public function languages(): array
    {
        $found = array_unique(array_column($this->blocks, 0));
        sort($found);
        return $found;
    }

    /** @return list<string> */
    public function all(string $language): array
    {
        return array_column(array_filter($this->blocks, static fn (array $it): bool => $it[0] === $language), 1);
    }

    /** @return list<string> the names in the first lines */
    public function files(string $language): array
    {
        return array_map(self::name(...), $this->all($language));
    }

    public function file(string $language, string $name, int $which = 0): string
    {
        $found = array_filter($this->all($language), static fn (string $text): bool => self::name($text) === $name);
        return array_values($found)[$which] ?? throw new \RuntimeException("there is no snippet $name");
    }

    /** The snippet with this beginning and content. */
    public function starting(string $language, string $start, string $holding = ''): string
    {
        foreach ($this->all($language) as $text) {
            if (str_starts_with($text, $start) && str_contains($text, $holding)) {
                return $text;
            }
        }
        throw new \RuntimeException("there is no snippet that begins with $start");
    }

    private static function name(string $text): string
    {
        return preg_match('~\A// ([^\n]+)\n~', $text, $found) === 1 ? $found[1] : '(no name)';
    }
}
