<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Exception as E;

/**
 * What the caller should do next: the PHP column of the library's table of failures.
 */
enum ErrorKind: string
{
    /** Fix the call: text is not UTF-8, a document is malformed, a host was used after a fork. */
    case InvalidArgument = 'invalid_argument';
    /** Fix the request: a value is missing, too long, not offered or of the wrong form. */
    case InvalidRequest = 'invalid_request';
    /** Connect the account again. */
    case Unauthorized = 'unauthorized';
    /** Ask the person for one more permission; `field` names it. */
    case Forbidden = 'forbidden';
    /** Look elsewhere. */
    case NotFound = 'not_found';
    /** Change the content or the account; repeating it unchanged cannot help. */
    case Rejected = 'rejected';
    /** Wait, then retry. */
    case RateLimited = 'rate_limited';
    /** Retry with growing pauses. */
    case Unavailable = 'unavailable';
    /** Find out what happened; never retry blindly. */
    case OutcomeUnknown = 'outcome_unknown';
    /** Use another provider. */
    case Unsupported = 'unsupported';
    /** Let the operator fix the settings. */
    case Misconfigured = 'misconfigured';
    /** The person declined, or the platform did not let this person connect. */
    case AuthorizationDenied = 'authorization_denied';
    /** Wait for a new day or a raised allowance. */
    case QuotaExceeded = 'quota_exceeded';
    /** Read the message. Unknown kinds of a newer library also become this kind. */
    case Other = 'other';
    /** Ask the operator for the grant. */
    case DeniedByPolicy = 'denied_by_policy';
    /** Raise a limit or shrink the work. */
    case LimitExceeded = 'limit_exceeded';
    /** Replace the provider: it trapped or broke the contract. */
    case ProviderFault = 'provider_fault';
    /** Install a provider that was built for this version of the contract. */
    case Incompatible = 'incompatible';
    /** The file is not a provider. */
    case LoadFailed = 'load_failed';
    /** Report a bug. */
    case Internal = 'internal';

    /** The status of the C interface; `getCode()` of the exceptions. */
    public function status(): int
    {
        return match ($this) {
            self::InvalidArgument => 100,
            self::InvalidRequest => 200,
            self::Unauthorized => 201,
            self::Forbidden => 202,
            self::NotFound => 203,
            self::Rejected => 204,
            self::RateLimited => 205,
            self::Unavailable => 206,
            self::OutcomeUnknown => 207,
            self::Unsupported => 208,
            self::Misconfigured => 209,
            self::AuthorizationDenied => 210,
            self::QuotaExceeded => 211,
            self::Other => 299,
            self::DeniedByPolicy => 300,
            self::LimitExceeded => 301,
            self::ProviderFault => 302,
            self::Incompatible => 310,
            self::LoadFailed => 311,
            self::Internal => 900,
        };
    }

    /** Whether the same call may succeed later without any change. */
    public function isRetryable(): bool
    {
        return match ($this) {
            self::RateLimited, self::QuotaExceeded, self::Unavailable => true,
            default => false,
        };
    }

    /** @return class-string<E\CallException> */
    public function exception(): string
    {
        return match ($this) {
            self::InvalidArgument => E\InvalidArgumentException::class,
            self::InvalidRequest => E\InvalidRequestException::class,
            self::Unauthorized => E\UnauthorizedException::class,
            self::Forbidden => E\ForbiddenException::class,
            self::NotFound => E\NotFoundException::class,
            self::Rejected => E\RejectedException::class,
            self::RateLimited => E\RateLimitedException::class,
            self::Unavailable => E\UnavailableException::class,
            self::OutcomeUnknown => E\OutcomeUnknownException::class,
            self::Unsupported => E\UnsupportedException::class,
            self::Misconfigured => E\MisconfiguredException::class,
            self::AuthorizationDenied => E\AuthorizationDeniedException::class,
            self::QuotaExceeded => E\QuotaExceededException::class,
            self::Other => E\ProviderException::class,
            self::DeniedByPolicy => E\DeniedByPolicyException::class,
            self::LimitExceeded => E\LimitExceededException::class,
            self::ProviderFault => E\ProviderFaultException::class,
            self::Incompatible, self::LoadFailed => E\LoadException::class,
            self::Internal => E\InternalException::class,
        };
    }
}
