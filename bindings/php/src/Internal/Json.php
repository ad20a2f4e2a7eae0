<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * JSON parsing.
 *
 * @internal
 */
final class Json
{
    /** @return array<mixed> */
    public static function read(string $text): array
    {
        try {
            $document = json_decode($text, true, 512, JSON_THROW_ON_ERROR);
        } catch (\JsonException $cause) {
            throw self::unreadable($cause);
        }
        return is_array($document) ? $document : throw self::unreadable();
    }

    private static function unreadable(?\Throwable $cause = null): CallException
    {
        return CallException::from(new Error(
            ErrorKind::Internal,
            'the answer is no JSON document',
            'check that `service` is the address of `social-channel serve`; otherwise this is a bug: report it',
        ), $cause);
    }
}
