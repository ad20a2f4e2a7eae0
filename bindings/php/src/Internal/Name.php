<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

/**
 * One name in two spellings: `displayName` in PHP, `display_name` in documents.
 *
 * @internal
 */
final class Name
{
    /** @var array<string, string> */
    private static array $known = [];

    public static function inDocument(string $property): string
    {
        return self::$known[$property] ??= strtolower((string) preg_replace('/[A-Z]/', '_$0', $property));
    }
}
