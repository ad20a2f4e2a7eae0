<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * How long a text may be.
 */
final readonly class TextLimit implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The minimum length, in units. */
        public ?int $minimum,
        /** The maximum length, in units. */
        public ?int $maximum,
        /** `utf-16` (code units), `code-points`, `graphemes`, `bytes`, or the platform's own unit. */
        public string $unit,
        /** Every link counts as this many units. */
        public ?int $linkLength = null,
    ) {
    }

    /** How long a text is in this unit; null for a unit this package does not know. Needs ext-intl for graphemes. */
    public function measure(string $text): ?int
    {
        if ($this->linkLength === null) {
            return $this->count($text);
        }
        $without = (string) preg_replace('~(?<!\S)https?://\S+~', '', $text, -1, $links);
        $length = $this->count($without);
        return $length === null ? null : $length + $links * $this->linkLength;
    }

    private function count(string $text): ?int
    {
        return match ($this->unit) {
            'utf-16' => intdiv(strlen((string) iconv('UTF-8', 'UTF-16LE', $text)), 2),
            'code-points' => (int) iconv_strlen($text, 'UTF-8'),
            'graphemes' => function_exists('grapheme_strlen') ? (int) grapheme_strlen($text) : null,
            'bytes' => strlen($text),
            default => null,
        };
    }
}
